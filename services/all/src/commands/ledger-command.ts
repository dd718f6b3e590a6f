import { loadConfig } from '@switchyard/config';
import { SwitchyardError } from '@switchyard/errors';
import { createPortClient } from '@switchyard/grpc';
import { LedgerPort } from '@switchyard/proto';
import { platformConfig } from '@switchyard/runtime';
import { readContractFile } from '../quickstart/contract-file.js';
import { quickstartDataDirectory } from '../quickstart/data-directory.js';
import { UsageError } from '../targets.js';

const EXPLAIN_TIMEOUT_MS = 30_000;
const VERIFY_TIMEOUT_MS = 600_000;

/** `ledger explain <generation id>` and `ledger verify`, answered by a running billing service. */
export async function ledgerCommand(commandArguments: readonly string[]): Promise<number> {
  const [action, generationId] = commandArguments;
  if (action === 'explain' && generationId !== undefined) return withLedger((ledger) => explain(ledger, generationId));
  if (action === 'verify') return withLedger(verify);
  throw new UsageError('Usage: ledger explain <generation id>, or ledger verify.');
}

async function explain(ledger: LedgerPort, generationId: string): Promise<number> {
  const { explanationJson } = await ledger.explainGeneration({ generationId }, { timeoutMs: EXPLAIN_TIMEOUT_MS });
  process.stdout.write(`${JSON.stringify(JSON.parse(explanationJson), undefined, 2)}\n`);
  return 0;
}

async function verify(ledger: LedgerPort): Promise<number> {
  const { differences, transactionCount, entryCount } = await ledger.verifyLedger({}, { timeoutMs: VERIFY_TIMEOUT_MS });
  for (const { check, subject, detail } of differences) process.stdout.write(`${check}: ${subject}: ${detail}\n`);
  process.stdout.write(
    `Checked ${transactionCount} transactions with ${entryCount} entries: ${differences.length === 0 ? 'no differences' : `${differences.length} differences`}.\n`,
  );
  return differences.length === 0 ? 0 : 1;
}

async function withLedger(action: (ledger: LedgerPort) => Promise<number>): Promise<number> {
  const client = createPortClient(LedgerPort, billingAddress());
  try {
    return await action(client.port);
  } finally {
    client.close();
  }
}

/** The configured address, else the one of a running quick start. */
function billingAddress(): string | readonly string[] {
  const configured = loadConfig(platformConfig).billingAddress;
  const address = configured.length > 0 ? configured : readContractFile(quickstartDataDirectory())?.grpcAddresses?.['billing'];
  if (address === undefined)
    throw new SwitchyardError('gateway_unavailable', 'No billing service is known: set SWITCHYARD_BILLING_ADDRESS, or start the quick start.');
  return address;
}
