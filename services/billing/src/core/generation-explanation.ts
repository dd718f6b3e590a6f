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

/** Names of what a generation's event gives ids of. */
export interface ExplanationNames {
  readonly accountName: string;
  readonly keyName: string;
  readonly keyLabel: string;
}

/** Everything a charge came from, for people and for reconciliation. Amounts are pico-USD as decimal text, with USD beside sums. */
export interface ExplanationSource {
  readonly generationId: string;
  readonly charge: ChargeRecord | undefined;
  /** Absent without a charge, or when account and key are unknown. */
  readonly names: ExplanationNames | undefined;
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
  'reservedPico',
  'leases',
  'flags',
] as const;

/** What flags of events mean, for people. */
const MEANING_OF_FLAG: Readonly<Record<string, string>> = {
  usage_estimated: 'The provider reported no usage that could be taken: counts are an estimate by size.',
  delivery_unconfirmed: 'The ingress was killed after it had written the charge and before it knew that the answer had arrived.',
  underestimated: 'The provider reported more than was reserved: what neither lease nor credit covered became receivable.',
  late: 'It was posted after its lease had been given up, so the money may have been lent to others in between.',
  price_missing: 'A counted meter had no price: it was left out of the charge.',
};
const UNKNOWN_FLAG = 'Set by a newer version of the program.';

export function explainGeneration(source: ExplanationSource): Record<string, unknown> {
  const chargePico = source.charge?.chargePico ?? 0n;
  const costPico = source.attempts.reduce((sum, attempt) => (attempt.isByok ? sum : sum + (attempt.correctedCostPico ?? attempt.costPico)), 0n);
  return {
    generationId: source.generationId,
    ...source.names,
    request: source.charge && withoutFields(source.charge.document, PRICING_FIELDS),
    times: source.charge && explainTimes(source.charge.document),
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
    flagsExplained: explainFlags(source),
  };
}

function explainTimes(document: Record<string, unknown>): Record<string, unknown> {
  const timeOf = (name: string): string | undefined => {
    const timeMs = Number(document[name] ?? 0);
    return timeMs > 0 ? new Date(timeMs).toISOString() : undefined;
  };
  return { accepted: timeOf('acceptTimeMs'), ended: timeOf('endTimeMs') };
}

function explainFlags(source: ExplanationSource): Record<string, string> {
  const ofAttempts = source.attempts.flatMap(({ document }) => (Array.isArray(document['flags']) ? document['flags'].map(String) : []));
  const flags = new Set([...flagsOf(source.charge), ...ofAttempts]);
  return Object.fromEntries([...flags].map((flag) => [flag, MEANING_OF_FLAG[flag] ?? UNKNOWN_FLAG]));
}

function flagsOf(charge: ChargeRecord | undefined): string[] {
  return charge && charge.flags !== '' ? charge.flags.split(' ') : [];
}

function explainPricing(charge: ChargeRecord): Record<string, unknown> {
  const { document } = charge;
  const usage = asObject(document['usage']);
  const lines = multiplied(usage, document['unitPricesPico']);
  const flags = flagsOf(charge);
  const productPico = lines.reduce((sum, line) => sum + BigInt(line.amountPico), 0n);
  return {
    eventId: charge.eventId,
    usageSource: usage['source'],
    priceRevision: document['priceRevision'],
    lines,
    productPico: productPico.toString(),
    discountMillionths: document['discountMillionths'] ?? 0,
    chargePico: charge.chargePico.toString(),
    notCharged: isWithoutPrices(lines) && !flags.includes('price_missing') ? reasonOfNoCharge(document) : undefined,
    reservedPico: document['reservedPico'],
    excessPico: charge.excessPico.toString(),
    flags,
  };
}

/** As for what is counted and not charged: nothing was multiplied. */
function isWithoutPrices(lines: readonly ExplainedLine[]): boolean {
  return lines.length > 0 && lines.every((line) => line.unitPricePico === null);
}

function reasonOfNoCharge(document: Record<string, unknown>): string {
  if (document['end'] === 'GENERATION_END_CLIENT_ABORTED') return 'The client left before the provider answered.';
  if (document['end'] !== 'GENERATION_END_COMPLETED') return 'A request that failed costs nothing.';
  return 'An answer without output, or that ended with an error, costs nothing.';
}

interface ExplainedLine {
  readonly meter: string;
  readonly count: unknown;
  /** Null where none was used. */
  readonly unitPricePico: string | null;
  readonly amountPico: string;
}

/** Multiplies again before the reader's eyes. */
function multiplied(usage: Record<string, unknown>, unitPrices: unknown): ExplainedLine[] {
  return Object.entries(asObject(usage['meters'])).map(([meter, count]) => {
    const price = asObject(unitPrices)[meter];
    const unitPricePico = price === undefined ? null : BigInt(String(price));
    return { meter, count, unitPricePico: unitPricePico?.toString() ?? null, amountPico: ((unitPricePico ?? 0n) * BigInt(String(count))).toString() };
  });
}

function explainAttempt(attempt: AttemptRecord): Record<string, unknown> {
  return {
    attemptId: attempt.attemptId,
    providerSlug: attempt.providerSlug,
    isByok: attempt.isByok,
    reporter: attempt.reporter,
    costPico: attempt.costPico.toString(),
    lines: multiplied(asObject(attempt.document['usage']), attempt.document['unitCostsPico']),
    correction:
      attempt.correctedCostPico === null
        ? undefined
        : {
            costPico: attempt.correctedCostPico.toString(),
            differencePico: attempt.differencePico?.toString(),
            lines: multiplied(asObject(attempt.correctionDocument?.['usage']), attempt.correctionDocument?.['unitCostsPico']),
            event: attempt.correctionDocument,
          },
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
