import { picoToUsd } from '@switchyard/core';
import type { PublicStatement } from './finance.js';

interface Balance {
  readonly creditsPico: bigint;
  readonly receivablePico: bigint;
}

interface Line {
  readonly id: string;
  readonly name: string;
  readonly requestCount: bigint;
  readonly chargedPico: bigint;
}

/** A statement as billing makes it: amounts in pico-USD, times in unix milliseconds, charges positive. */
export interface StatementFacts {
  readonly accountId: string;
  readonly accountName: string;
  readonly month: string;
  readonly periodStartMs: bigint;
  readonly periodEndMs: bigint;
  readonly opening: Balance | undefined;
  readonly closing: Balance | undefined;
  readonly boughtPico: bigint;
  readonly grantedPico: bigint;
  readonly chargedPico: bigint;
  readonly adjustedPico: bigint;
  readonly receivableArisenPico: bigint;
  readonly receivableCoveredPico: bigint;
  readonly requestCount: bigint;
  readonly byKey: readonly Line[];
  readonly byModel: readonly Line[];
  readonly entries: readonly {
    readonly timeMs: bigint;
    readonly kind: string;
    readonly description: string;
    readonly amountPico: bigint;
    readonly transactionId: string;
  }[];
  readonly entryCount: bigint;
  readonly isProvisional: boolean;
  readonly differences: readonly string[];
  readonly createTimeMs: bigint;
}

export function publicStatement(statement: StatementFacts): PublicStatement {
  return {
    billing_account_id: statement.accountId,
    billing_account_name: statement.accountName,
    billing_currency: 'USD',
    month: statement.month,
    billing_period_start: isoTime(statement.periodStartMs),
    billing_period_end: isoTime(statement.periodEndMs),
    created_at: isoTime(statement.createTimeMs),
    is_provisional: statement.isProvisional,
    opening: publicBalance(statement.opening),
    ...amounts('bought', statement.boughtPico),
    ...amounts('granted', statement.grantedPico),
    ...amounts('charged', statement.chargedPico),
    ...amounts('adjusted', statement.adjustedPico),
    closing: publicBalance(statement.closing),
    receivable: { arisen_usd: picoToUsd(statement.receivableArisenPico), covered_usd: picoToUsd(statement.receivableCoveredPico) },
    requests: Number(statement.requestCount),
    by_key: statement.byKey.map((line) => ({ key: line.id || null, key_name: line.name, ...lineSums(line) })),
    by_model: statement.byModel.map((line) => ({ model: line.id || null, ...lineSums(line) })),
    entries: statement.entries.map((entry) => ({
      time: isoTime(entry.timeMs),
      kind: entry.kind,
      description: entry.description,
      ...amounts('amount', entry.amountPico),
      transaction_id: entry.transactionId,
    })),
    entry_count: Number(statement.entryCount),
    differences: [...statement.differences],
  };
}

function publicBalance({ creditsPico, receivablePico }: Balance = { creditsPico: 0n, receivablePico: 0n }): PublicStatement['opening'] {
  return { credits_usd: picoToUsd(creditsPico), receivable_usd: picoToUsd(receivablePico), ...amounts('balance', creditsPico - receivablePico) };
}

function lineSums(line: Line) {
  return { requests: Number(line.requestCount), ...amounts('charge', line.chargedPico) };
}

type Amounts<Name extends string> = Record<`${Name}_usd` | `${Name}_pico`, string>;

function amounts<Name extends string>(name: Name, amountPico: bigint): Amounts<Name> {
  return { [`${name}_usd`]: picoToUsd(amountPico), [`${name}_pico`]: amountPico.toString() } as Amounts<Name>;
}

function isoTime(timeMs: bigint): string {
  return new Date(Number(timeMs)).toISOString();
}
