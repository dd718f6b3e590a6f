import { picoToUsd } from '@switchyard/core';
import { csvText } from './csv.js';
import type { PublicStatement } from './finance.js';

/** Columns of a statement as CSV; `section` tells what a line is: `status`, `difference`, `opening`, `movement`, `closing`, `entry`, `key` or `model`. */
const STATEMENT_COLUMNS = ['month', 'billing_account_id', 'section', 'item', 'name', 'time', 'requests', 'amount_usd', 'amount_pico'] as const;

/** One table with every part of the statement: movements and entries with their sign, keys and models as charged. */
export function statementCsv(statement: PublicStatement): string {
  const { month, billing_account_id: account, opening, closing } = statement;
  type Line = readonly [section: string, item: string, name: string, time: string, requests: number | null, usd: string, pico: string];
  const lines: Line[] = [
    ['status', statement.is_provisional ? 'provisional' : 'final', '', statement.created_at, null, '', ''],
    ...statement.differences.map((difference): Line => ['difference', difference, '', '', null, '', '']),
    ['opening', 'balance', '', statement.billing_period_start, null, opening.balance_usd, opening.balance_pico],
    ['movement', 'bought', '', '', null, statement.bought_usd, statement.bought_pico],
    ['movement', 'granted', '', '', null, statement.granted_usd, statement.granted_pico],
    ['movement', 'charged', '', '', statement.requests, negated(statement.charged_usd), negated(statement.charged_pico)],
    ['movement', 'adjusted', '', '', null, statement.adjusted_usd, statement.adjusted_pico],
    ['closing', 'balance', '', statement.billing_period_end, null, closing.balance_usd, closing.balance_pico],
    ...statement.entries.map((entry): Line => ['entry', entry.kind, entry.description, entry.time, null, entry.amount_usd, entry.amount_pico]),
    ...otherEntries(statement).map((rest): Line => ['entry', '(other)', '', '', null, rest.amount_usd, rest.amount_pico]),
    ...statement.by_key.map((line): Line => ['key', line.key ?? '(other)', line.key_name, '', line.requests, line.charge_usd, line.charge_pico]),
    ...statement.by_model.map((line): Line => ['model', line.model ?? '(other)', '', '', line.requests, line.charge_usd, line.charge_pico]),
  ];
  return csvText(
    STATEMENT_COLUMNS,
    lines.map((line) => [month, account, ...line]),
  );
}

/** The statement for people. */
export function statementText(statement: PublicStatement): string {
  const { opening, closing, receivable } = statement;
  const amount = (label: string, value: string): string => `  ${label.padEnd(LABEL_WIDTH)} ${value.padStart(AMOUNT_WIDTH)} USD`;
  const line = (label: string, requests: number, value: string): string => `${amount(label, value)}  ${requests} ${requests === 1 ? 'request' : 'requests'}`;
  return `${[
    `Statement of ${clean(statement.billing_account_name) || statement.billing_account_id} (${statement.billing_account_id}) for ${statement.month}`,
    `Requests accepted from ${statement.billing_period_start} to ${statement.billing_period_end}, made ${statement.created_at}`,
    ...(statement.is_provisional ? ['Provisional: more charges of this month may come.'] : []),
    '',
    amount('Opening balance', opening.balance_usd),
    amount('Bought', statement.bought_usd),
    amount('Granted', statement.granted_usd),
    line('Charged', statement.requests, negated(statement.charged_usd)),
    amount('Adjusted', statement.adjusted_usd),
    amount('Closing balance', closing.balance_usd),
    amount('  of it owed', closing.receivable_usd),
    ...(receivable.arisen_usd === '0' && receivable.covered_usd === '0'
      ? []
      : [amount('  became owed', receivable.arisen_usd), amount('  was paid off', receivable.covered_usd)]),
    ...section(
      'By key',
      statement.by_key.map((key) => line(key.key === null ? '(other)' : clean(key.key_name) || key.key, key.requests, key.charge_usd)),
    ),
    ...section(
      'By model',
      statement.by_model.map((model) => line(clean(model.model ?? '(other)'), model.requests, model.charge_usd)),
    ),
    ...section('Credit', [
      ...statement.entries.map((entry) => amount(`${entry.time.slice(0, 10)} ${entry.kind} ${clean(entry.description)}`, entry.amount_usd)),
      ...otherEntries(statement).map((rest) => amount(`${rest.count} more`, rest.amount_usd)),
    ]),
    ...section('Does not reconcile', statement.differences),
  ].join('\n')}\n`;
}

interface OtherEntries {
  readonly count: number;
  readonly amount_usd: string;
  readonly amount_pico: string;
}

/** What the entries that a statement has no room for come to: all of them together are what was bought, granted and adjusted. */
function otherEntries(statement: PublicStatement): OtherEntries[] {
  const count = statement.entry_count - statement.entries.length;
  if (count === 0) return [];
  const all = BigInt(statement.bought_pico) + BigInt(statement.granted_pico) + BigInt(statement.adjusted_pico);
  const rest = statement.entries.reduce((sum, entry) => sum - BigInt(entry.amount_pico), all);
  return [{ count, amount_usd: picoToUsd(rest), amount_pico: rest.toString() }];
}

const LABEL_WIDTH = 48;
const AMOUNT_WIDTH = 24;

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

/** Control characters of what people typed would move the reader's cursor. */
function clean(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ').slice(0, 200);
}

function negated(amount: string): string {
  if (amount === '0') return amount;
  return amount.startsWith('-') ? amount.slice(1) : `-${amount}`;
}
