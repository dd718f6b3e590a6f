import { picoToUsd } from '@switchyard/core';
import type { billing, LedgerPort } from '@switchyard/proto';
import { UsageError } from '../targets.js';
import { withLedger } from './billing-client.js';
import { parseFlags } from './parse-flags.js';

const EXPLAIN_TIMEOUT_MS = 30_000;
/** Verifying reads every record of billing. */
const VERIFY_TIMEOUT_MS = 6 * 3_600_000;
const USAGE = 'Usage: ledger explain <generation id> [--json], or ledger verify [--json].';

/** `ledger explain <generation id>` and `ledger verify`, answered by a running billing service; with `--json` for programs. */
export async function ledgerCommand(commandArguments: readonly string[]): Promise<number> {
  const { action, generationId, isJson } = parseLedgerArguments(commandArguments);
  if (action === 'explain') return withLedger((ledger) => explain(ledger, generationId, isJson));
  return withLedger((ledger) => verifyLedger(ledger, isJson, (text) => process.stdout.write(text)));
}

type LedgerArguments =
  | { readonly action: 'explain'; readonly generationId: string; readonly isJson: boolean }
  | { readonly action: 'verify'; readonly generationId: undefined; readonly isJson: boolean };

/** @throws UsageError */
function parseLedgerArguments(commandArguments: readonly string[]): LedgerArguments {
  const { values, positionals } = parseFlags({ args: commandArguments, allowPositionals: true, options: { json: { type: 'boolean' } } }, USAGE);
  const [action, generationId, ...rest] = positionals;
  const isJson = values.json ?? false;
  if (action === 'explain' && generationId !== undefined && rest.length === 0) return { action, generationId, isJson };
  if (action === 'verify' && generationId === undefined) return { action, generationId, isJson };
  throw new UsageError(USAGE);
}

async function explain(ledger: LedgerPort, generationId: string, isJson: boolean): Promise<number> {
  const { explanationJson, explanationText } = await ledger.explainGeneration({ generationId }, { timeoutMs: EXPLAIN_TIMEOUT_MS });
  process.stdout.write(isJson ? `${JSON.stringify(JSON.parse(explanationJson), undefined, 2)}\n` : explanationText);
  return 0;
}

/** Prints what was found; resolves to 1 when something does not hold. */
export async function verifyLedger(ledger: Pick<LedgerPort, 'verifyLedger'>, isJson: boolean, print: (text: string) => void): Promise<number> {
  const result = await ledger.verifyLedger({}, { timeoutMs: VERIFY_TIMEOUT_MS });
  print(isJson ? verificationJson(result) : verificationText(result));
  return result.differences.length === 0 ? 0 : 1;
}

/** Every difference in a line of its own, then what is flagged, then what was checked. */
function verificationText(result: billing.VerifyLedgerResponse): string {
  const { differences, flagCounts, totals, checks, transactionCount, entryCount } = result;
  return [
    ...differences.map(({ check, subject, detail }) => `${check}: ${subject}: ${detail}`),
    ...flagCounts.map(({ flag, count, newest }) => `flagged ${flag}: ${count}, newest ${newest.join(' ')}`),
    ...totals.map(({ name, amountPico }) => `${name}: ${picoToUsd(BigInt(amountPico))} USD`),
    `Checked ${transactionCount} transactions with ${entryCount} entries in ${checks.length} ways: ${differences.length === 0 ? 'no differences' : `${differences.length} differences`}.`,
    '',
  ].join('\n');
}

/** Counts and amounts as text: they may be larger than a JSON number can tell. */
function verificationJson(result: billing.VerifyLedgerResponse): string {
  return `${JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value), 2)}\n`;
}
