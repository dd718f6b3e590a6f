import { loadConfig } from '@switchyard/config';
import { AccountPort, KeyPort } from '@switchyard/proto';
import { makeFolder, platformConfig } from '@switchyard/runtime';
import { DEMO_ACCOUNT_ID, ensureDemoAccount, type DemoKeys } from '../quickstart/demo-account.js';
import { SecretsFile } from '../quickstart/secrets-file.js';
import { UsageError } from '../targets.js';
import { withBilling } from './billing-client.js';

const USAGE = 'Usage: SWITCHYARD_BILLING_ADDRESS=<host:port> demo-account [--json].';

/**
 * `demo-account`: an account with demo credit and two keys at a running billing service, for deployments that the quick start did not
 * make. Run again with the same data folder it prints the same keys.
 */
export async function demoAccountCommand(commandArguments: readonly string[]): Promise<number> {
  const isJson = commandArguments[0] === '--json';
  if (commandArguments.length > (isJson ? 1 : 0)) throw new UsageError(USAGE);
  const { apiKey, managementKey } = await demoKeys();
  process.stdout.write(
    isJson ? `${JSON.stringify({ accountId: DEMO_ACCOUNT_ID, apiKey, managementKey })}\n` : `API key:        ${apiKey}\nManagement key: ${managementKey}\n`,
  );
  return 0;
}

/** The demo account's keys, made when the data folder knows none that work. */
export async function demoKeys(): Promise<DemoKeys> {
  const { billingAddress, dataDirectory } = loadConfig(platformConfig);
  if (billingAddress.length === 0) throw new UsageError(USAGE);
  makeFolder(dataDirectory, 0o711);
  return withBilling(async (connect) => ensureDemoAccount({ accounts: connect(AccountPort), keys: connect(KeyPort) }, new SecretsFile(dataDirectory)));
}
