/** Journal templates. Debits are positive, credits negative; every transaction sums to zero. */
export type TransactionKind = 'charge' | 'cost' | 'cost_correction' | 'credit_grant' | 'promotion_grant' | 'receivable_cover';

export interface LedgerEntry {
  readonly ledgerAccount: string;
  readonly amountPico: bigint;
}

export interface LedgerTransaction {
  /** UUIDv7; for usage events the event's own id. */
  readonly transactionId: string;
  readonly kind: TransactionKind;
  readonly accountId: string;
  /** Empty when the transaction is not about a generation. */
  readonly generationId: string;
  /** What caused it: an attempt's id, a grant's idempotency key. */
  readonly reference: string;
  /** Unix milliseconds: the period the transaction belongs to. */
  readonly acceptTimeMs: number | bigint;
  readonly entries: readonly LedgerEntry[];
}

/** Names of ledger accounts. */
export const LEDGER = {
  /** What a customer has paid in and not spent; a liability. */
  credits: (accountId: string) => `account:${accountId}:credits`,
  /** What a customer owes after a provider reported more than was reserved; an asset. */
  receivable: (accountId: string) => `account:${accountId}:receivable`,
  revenue: 'platform:revenue:inference',
  expense: (providerSlug: string) => `platform:expense:inference:${providerSlug}`,
  promotion: 'platform:expense:promotion',
  /** Money of top-ups on its way from the payment side; returns to zero when payments are booked. */
  topUpClearing: 'platform:clearing:top-up',
  payable: (providerSlug: string) => `provider:${providerSlug}:payable`,
} as const;

export interface ChargePosting {
  readonly eventId: string;
  readonly accountId: string;
  readonly generationId: string;
  readonly acceptTimeMs: bigint;
  readonly chargePico: bigint;
}

/** `uncoveredPico` is the part of the charge that neither hold nor credit covers. Undefined for a charge of zero: there is nothing to post. */
export function chargeTransaction(posting: ChargePosting, uncoveredPico: bigint): LedgerTransaction | undefined {
  const { accountId, chargePico } = posting;
  return transaction(posting.eventId, 'charge', posting, '', [
    { ledgerAccount: LEDGER.credits(accountId), amountPico: chargePico - uncoveredPico },
    { ledgerAccount: LEDGER.receivable(accountId), amountPico: uncoveredPico },
    { ledgerAccount: LEDGER.revenue, amountPico: -chargePico },
  ]);
}

export interface CostPosting {
  readonly eventId: string;
  readonly attemptId: string;
  readonly accountId: string;
  readonly generationId: string;
  readonly providerSlug: string;
  readonly acceptTimeMs: bigint;
  /** For a correction: the difference to what was posted, which may be negative. */
  readonly costPico: bigint;
}

/** What a provider will bill us. Undefined when there is nothing to post. */
export function costTransaction(posting: CostPosting, kind: 'cost' | 'cost_correction'): LedgerTransaction | undefined {
  return transaction(posting.eventId, kind, posting, posting.attemptId, [
    { ledgerAccount: LEDGER.expense(posting.providerSlug), amountPico: posting.costPico },
    { ledgerAccount: LEDGER.payable(posting.providerSlug), amountPico: -posting.costPico },
  ]);
}

export interface GrantPosting {
  readonly transactionId: string;
  readonly accountId: string;
  readonly acceptTimeMs: number;
  readonly idempotencyKey: string;
  readonly amountPico: bigint;
  /** What the account owed and the grant pays first. */
  readonly coveredPico: bigint;
  readonly isPromotional: boolean;
}

export function grantTransaction(posting: GrantPosting): LedgerTransaction | undefined {
  const source = posting.isPromotional ? LEDGER.promotion : LEDGER.topUpClearing;
  const kind = posting.isPromotional ? 'promotion_grant' : 'credit_grant';
  return transaction(posting.transactionId, kind, { ...posting, generationId: '' }, posting.idempotencyKey, [
    { ledgerAccount: source, amountPico: posting.amountPico },
    { ledgerAccount: LEDGER.credits(posting.accountId), amountPico: posting.coveredPico - posting.amountPico },
    { ledgerAccount: LEDGER.receivable(posting.accountId), amountPico: -posting.coveredPico },
  ]);
}

export interface CoverPosting {
  readonly transactionId: string;
  readonly accountId: string;
  readonly acceptTimeMs: number;
  readonly coveredPico: bigint;
}

/** Credit that came back from a lease pays what the account owed. */
export function coverTransaction(posting: CoverPosting): LedgerTransaction | undefined {
  return transaction(posting.transactionId, 'receivable_cover', { ...posting, generationId: '' }, '', [
    { ledgerAccount: LEDGER.credits(posting.accountId), amountPico: posting.coveredPico },
    { ledgerAccount: LEDGER.receivable(posting.accountId), amountPico: -posting.coveredPico },
  ]);
}

interface About {
  readonly accountId: string;
  readonly generationId: string;
  readonly acceptTimeMs: number | bigint;
}

function transaction(
  transactionId: string,
  kind: TransactionKind,
  about: About,
  reference: string,
  lines: readonly LedgerEntry[],
): LedgerTransaction | undefined {
  const entries = lines.filter((entry) => entry.amountPico !== 0n);
  if (entries.length === 0) return undefined;
  const { accountId, generationId, acceptTimeMs } = about;
  return { transactionId, kind, accountId, generationId, reference, acceptTimeMs, entries };
}
