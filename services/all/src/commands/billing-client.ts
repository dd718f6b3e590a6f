import { loadConfig } from '@switchyard/config';
import { SwitchyardError } from '@switchyard/errors';
import { createPortClient } from '@switchyard/grpc';
import { LedgerPort } from '@switchyard/proto';
import { platformConfig } from '@switchyard/runtime';
import { readContractFile } from '../quickstart/contract-file.js';
import { quickstartDataDirectory } from '../quickstart/data-directory.js';

/** Calls the ledger of a running billing service, and hangs up. @throws SwitchyardError `gateway_unavailable` when none is known */
export async function withLedger(action: (ledger: LedgerPort) => Promise<number>): Promise<number> {
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
