import { publicStatement, statementCsv, statementText, type PublicStatement } from '@switchyard/api';
import { SwitchyardError } from '@switchyard/errors';
import { UsageError } from '../targets.js';
import { withLedger } from './billing-client.js';
import { parseFlags } from './parse-flags.js';

const STATEMENT_TIMEOUT_MS = 120_000;
const USAGE = 'Usage: statement <account> <yyyy-mm> [--format=text|json|csv].';

const FORMATS: ReadonlyMap<string, (statement: PublicStatement) => string> = new Map([
  ['text', statementText],
  ['json', (statement) => `${JSON.stringify(statement, undefined, 2)}\n`],
  ['csv', statementCsv],
]);

/** `statement <account> <yyyy-mm>`: an account's month, out of the ledger of a running billing service. Exit code 1 when it does not reconcile. */
export async function statementCommand(commandArguments: readonly string[]): Promise<number> {
  const { accountId, month, format } = parseStatementArguments(commandArguments);
  return withLedger(async (ledger) => {
    const { statement } = await ledger.getStatement({ accountId, month }, { timeoutMs: STATEMENT_TIMEOUT_MS });
    if (!statement) throw new SwitchyardError('not_found', 'There is no such statement.');
    process.stdout.write(format(publicStatement(statement)));
    return statement.differences.length === 0 ? 0 : 1;
  });
}

export interface StatementArguments {
  readonly accountId: string;
  readonly month: string;
  readonly format: (statement: PublicStatement) => string;
}

/** @throws UsageError */
export function parseStatementArguments(commandArguments: readonly string[]): StatementArguments {
  const { values, positionals } = parseFlags({ args: commandArguments, allowPositionals: true, options: { format: { type: 'string' } } }, USAGE);
  const [accountId, month, ...rest] = positionals;
  const format = FORMATS.get(values.format ?? 'text');
  if (accountId === undefined || month === undefined || rest.length > 0 || format === undefined) throw new UsageError(USAGE);
  return { accountId, month, format };
}
