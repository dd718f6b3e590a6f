import { picoToUsd } from '@switchyard/core';

export interface ChargeRecord {
  readonly eventId: string;
  readonly chargePico: bigint;
  readonly excessPico: bigint;
  readonly flags: string;
  readonly document: Record<string, unknown>;
}

export interface AttemptRecord {
  readonly attemptId: string;
  readonly eventId: string;
  readonly reporter: string;
  readonly providerSlug: string;
  readonly isByok: boolean;
  readonly costPico: bigint;
  readonly document: Record<string, unknown>;
  /** Of the worker's later report; null when there was none. */
  readonly correctedCostPico: bigint | null;
  readonly differencePico: bigint | null;
  readonly correctionDocument: Record<string, unknown> | null;
}

export interface PostingRecord {
  readonly transactionId: string;
  readonly kind: string;
  readonly reference: string;
  readonly postedAtMs: bigint;
  readonly ledgerAccount: string;
  readonly amountPico: bigint;
}

/** Everything a charge came from, for people and for reconciliation. Amounts are pico-USD as decimal text, with USD beside sums. */
export interface ExplanationSource {
  readonly generationId: string;
  readonly charge: ChargeRecord | undefined;
  readonly attempts: readonly AttemptRecord[];
  readonly postings: readonly PostingRecord[];
  readonly leases: readonly Record<string, unknown>[];
}

const PRICING_FIELDS = [
  'usage',
  'priceRevision',
  'unitPricesPico',
  'discountMillionths',
  'chargePico',
  'chargeLinesPico',
  'underestimatedPico',
  'leases',
  'flags',
] as const;

export function explainGeneration(source: ExplanationSource): Record<string, unknown> {
  const chargePico = source.charge?.chargePico ?? 0n;
  const costPico = source.attempts.reduce((sum, attempt) => (attempt.isByok ? sum : sum + (attempt.correctedCostPico ?? attempt.costPico)), 0n);
  return {
    generationId: source.generationId,
    request: source.charge && withoutFields(source.charge.document, PRICING_FIELDS),
    pricing: source.charge && explainPricing(source.charge),
    postings: explainPostings(source.postings),
    leases: explainLeases(source),
    attempts: source.attempts.map(explainAttempt),
    chargePico: chargePico.toString(),
    chargeUsd: picoToUsd(chargePico),
    costPico: costPico.toString(),
    costUsd: picoToUsd(costPico),
    marginPico: (chargePico - costPico).toString(),
    marginUsd: picoToUsd(chargePico - costPico),
  };
}

/** Multiplies again before the reader's eyes. */
function explainPricing(charge: ChargeRecord): Record<string, unknown> {
  const { document } = charge;
  const usage = asObject(document['usage']);
  const meters = asObject(usage['meters']);
  const unitPrices = asObject(document['unitPricesPico']);
  const lines = Object.entries(meters).map(([meter, count]) => {
    const unitPricePico = BigInt(String(unitPrices[meter] ?? 0));
    return { meter, count, unitPricePico: unitPricePico.toString(), amountPico: (unitPricePico * BigInt(String(count))).toString() };
  });
  return {
    eventId: charge.eventId,
    usageSource: usage['source'],
    priceRevision: document['priceRevision'],
    lines,
    discountMillionths: document['discountMillionths'] ?? 0,
    chargePico: charge.chargePico.toString(),
    excessPico: charge.excessPico.toString(),
    flags: charge.flags === '' ? [] : charge.flags.split(' '),
  };
}

function explainAttempt(attempt: AttemptRecord): Record<string, unknown> {
  return {
    attemptId: attempt.attemptId,
    providerSlug: attempt.providerSlug,
    isByok: attempt.isByok,
    reporter: attempt.reporter,
    costPico: attempt.costPico.toString(),
    correction:
      attempt.correctedCostPico === null
        ? undefined
        : { costPico: attempt.correctedCostPico.toString(), differencePico: attempt.differencePico?.toString(), event: attempt.correctionDocument },
    event: attempt.document,
  };
}

function explainPostings(postings: readonly PostingRecord[]): Record<string, unknown>[] {
  const transactions = new Map<string, { transactionId: string; kind: string; reference: string; postedTime: string; entries: Record<string, unknown>[] }>();
  for (const { transactionId, kind, reference, postedAtMs, ledgerAccount, amountPico } of postings) {
    const transaction = transactions.get(transactionId) ?? {
      transactionId,
      kind,
      reference,
      postedTime: new Date(Number(postedAtMs)).toISOString(),
      entries: [],
    };
    transactions.set(transactionId, transaction);
    transaction.entries.push({
      ledgerAccount,
      side: amountPico > 0n ? 'debit' : 'credit',
      amountPico: (amountPico > 0n ? amountPico : -amountPico).toString(),
    });
  }
  return [...transactions.values()];
}

function explainLeases(source: ExplanationSource): Record<string, unknown>[] {
  const uses = new Map(leaseUsesOf(source.charge?.document).map((use) => [use.leaseId, use.amount]));
  return source.leases.map((lease) => ({ ...textual(lease), settledByThisGeneration: uses.get(String(lease['leaseId'])) }));
}

/** The leases that a stored terminal event names. */
export function leaseUsesOf(document: Record<string, unknown> | undefined): { leaseId: string; amount: string }[] {
  const leases: unknown = document?.['leases'];
  if (!Array.isArray(leases)) return [];
  return leases.map((use: unknown) => ({ leaseId: String(asObject(use)['leaseId']), amount: String(asObject(use)['amount'] ?? '0') }));
}

function textual(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === 'bigint' ? value.toString() : value]));
}

function withoutFields(document: Record<string, unknown>, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !fields.includes(name)));
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
