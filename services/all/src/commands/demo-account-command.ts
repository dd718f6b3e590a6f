import { mkdirSync } from 'node:fs';
import { loadConfig } from '@switchyard/config';
import { createPortClient } from '@switchyard/grpc';
import { AccountPort, KeyPort } from '@switchyard/proto';
import { platformConfig } from '@switchyard/runtime';
import { ensureDemoAccount } from '../quickstart/demo-account.js';
import { SecretsFile } from '../quickstart/secrets-file.js';
import { UsageError } from '../targets.js';

/**
 * `demo-account`: an account with demo credit and two keys at a running billing service, for deployments that the quick start did not
 * make. Run again with the same data folder it prints the same keys.
 */
export async function demoAccountCommand(commandArguments: readonly string[]): Promise<number> {
  const { billingAddress, dataDirectory } = loadConfig(platformConfig);
  if (commandArguments.length > 0 || billingAddress.length === 0) throw new UsageError('Usage: SWITCHYARD_BILLING_ADDRESS=<host:port> demo-account.');
  mkdirSync(dataDirectory, { recursive: true });
  const accounts = createPortClient(AccountPort, billingAddress);
  const keys = createPortClient(KeyPort, billingAddress);
  try {
    const { apiKey, managementKey } = await ensureDemoAccount({ accounts: accounts.port, keys: keys.port }, new SecretsFile(dataDirectory));
    process.stdout.write(`API key:        ${apiKey}\nManagement key: ${managementKey}\n`);
    return 0;
  } finally {
    accounts.close();
    keys.close();
  }
}
