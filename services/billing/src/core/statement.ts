import type { billing } from '@switchyard/proto';

/** Movements of an account's two ledger accounts, summed; debits positive as in the ledger. */
export interface MovementSum {
  readonly kind: string;
  /** In the month, or after it. */
  readonly isInPeriod: boolean;
  readonly creditsPico: bigint;
  readonly receivablePico: bigint;
}

export interface StatementSource {
  readonly accountId: string;
  readonly accountName: string;
  readonly month: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly nowMs: number;
  /** Balances of now, debits positive. */
  readonly present: { readonly creditsPico: bigint; readonly receivablePico: bigint };
  /** Everything from the month's start until now. */
  readonly movements: readonly MovementSum[];
  /** What the records of charges say, in the month. */
  readonly charged: { readonly chargePico: bigint; readonly requestCount: bigint };
  /** What the account's scope says: granted ever minus charged ever. */
  readonly scopeBalancePico: bigint;
  readonly byKey: readonly billing.StatementLine[];
  readonly byModel: readonly billing.StatementLine[];
  readonly entries: readonly billing.StatementEntry[];
  readonly entryCount: bigint;
  readonly isProvisional: boolean;
}

/**
 * A month as the customer sees it. Balances go backwards from those of now, so the work grows with the time since the month
 * began, not with the account's age.
 */
export function makeStatement(source: StatementSource): billing.Statement {
  const inPeriod = source.movements.filter((movement) => movement.isInPeriod);
  const closing = balanceWithout(
    source.present,
    source.movements.filter((movement) => !movement.isInPeriod),
  );
  const opening = balanceWithout(closing, inPeriod);
  const charges = inPeriod.filter(({ kind }) => kind === 'charge');
  const netOf = (kinds: (kind: string) => boolean): bigint =>
    -sum(inPeriod.filter(({ kind }) => kinds(kind)).map((movement) => movement.creditsPico + movement.receivablePico));
  return {
    accountId: source.accountId,
    accountName: source.accountName,
    month: source.month,
    periodStartMs: BigInt(source.startMs),
    periodEndMs: BigInt(source.endMs),
    opening: asCustomerSees(opening),
    closing: asCustomerSees(closing),
    boughtPico: netOf((kind) => kind === 'credit_grant'),
    grantedPico: netOf((kind) => kind === 'promotion_grant'),
    chargedPico: -netOf((kind) => kind === 'charge'),
    adjustedPico: netOf((kind) => !['credit_grant', 'promotion_grant', 'charge'].includes(kind)),
    receivableArisenPico: sum(charges.map((movement) => movement.receivablePico)),
    receivableCoveredPico: -sum(inPeriod.filter(({ kind }) => kind !== 'charge').map((movement) => movement.receivablePico)),
    requestCount: source.charged.requestCount,
    byKey: [...source.byKey],
    byModel: [...source.byModel],
    entries: [...source.entries],
    entryCount: source.entryCount,
    isProvisional: source.isProvisional,
    differences: differencesOf(source, -netOf((kind) => kind === 'charge')),
    createTimeMs: BigInt(source.nowMs),
  };
}

/** Where figures of separate origin disagree; none while the books are right. */
function differencesOf(source: StatementSource, postedPico: bigint): string[] {
  const { chargePico } = source.charged;
  const balancePico = -(source.present.creditsPico + source.present.receivablePico);
  const linesOf = (lines: readonly billing.StatementLine[]): bigint => sum(lines.map((line) => line.chargedPico));
  return [
    ...(postedPico === chargePico ? [] : [`the ledger posted charges of ${postedPico}, the records of charges say ${chargePico}`]),
    ...(linesOf(source.byKey) === chargePico ? [] : [`the keys' lines sum to ${linesOf(source.byKey)}, charged was ${chargePico}`]),
    ...(linesOf(source.byModel) === chargePico ? [] : [`the models' lines sum to ${linesOf(source.byModel)}, charged was ${chargePico}`]),
    ...(balancePico === source.scopeBalancePico ? [] : [`the ledger's balance is ${balancePico}, the account's credit says ${source.scopeBalancePico}`]),
  ];
}

/** The greatest lines; one more sums what is left of `total`, when anything is. */
export function boundedLines(
  lines: readonly billing.StatementLine[],
  total: { readonly chargePico: bigint; readonly requestCount: bigint },
  maxLines: number,
): billing.StatementLine[] {
  const shown = lines.slice(0, maxLines);
  const requestCount = total.requestCount - sum(shown.map((line) => line.requestCount));
  if (requestCount === 0n || shown.length < maxLines) return shown;
  return [...shown, { id: '', name: '', requestCount, chargedPico: total.chargePico - sum(shown.map((line) => line.chargedPico)) }];
}

interface Balance {
  readonly creditsPico: bigint;
  readonly receivablePico: bigint;
}

function balanceWithout(balance: Balance, movements: readonly Balance[]): Balance {
  return {
    creditsPico: balance.creditsPico - sum(movements.map((movement) => movement.creditsPico)),
    receivablePico: balance.receivablePico - sum(movements.map((movement) => movement.receivablePico)),
  };
}

/** Credit is the ledger's liability: what the customer has is negative there. */
function asCustomerSees(balance: Balance): billing.StatementBalance {
  return { creditsPico: -balance.creditsPico, receivablePico: balance.receivablePico };
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}
