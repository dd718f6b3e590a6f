import { loadConfig } from '@switchyard/config';
import { SwitchyardError } from '@switchyard/errors';
import { createPortClient, type PortClient } from '@switchyard/grpc';
import { LedgerPort, type Port } from '@switchyard/proto';
import { openTls, platformConfig } from '@switchyard/runtime';
import { createLogger } from '@switchyard/telemetry';
import { readContractFile } from '../quickstart/contract-file.js';
import { quickstartDataDirectory } from '../quickstart/data-directory.js';

/** Gives the ports of a running billing service, and hangs up afterwards. @throws SwitchyardError `gateway_unavailable` when none is known */
export async function withBilling<Result>(action: (connect: <Shape>(port: Port<Shape>) => Shape) => Promise<Result>): Promise<Result> {
  const address = billingAddress();
  const logger = createLogger({ level: 'warn', format: 'pretty', destination: process.stderr });
  const tls = openTls(loadConfig(platformConfig), logger);
  const clients: PortClient<unknown>[] = [];
  const connect = <Shape>(port: Port<Shape>): Shape => {
    const client = createPortClient(port, address, { tls });
    clients.push(client);
    return client.port;
  };
  try {
    return await action(connect);
  } finally {
    for (const client of clients) client.close();
    tls?.close();
  }
}

/** Calls the ledger of a running billing service. @throws SwitchyardError `gateway_unavailable` when none is known */
export function withLedger(action: (ledger: LedgerPort) => Promise<number>): Promise<number> {
  return withBilling((connect) => action(connect(LedgerPort)));
}

/** The configured address, else the one of a running quick start. */
function billingAddress(): string | readonly string[] {
  const configured = loadConfig(platformConfig).billingAddress;
  const address = configured.length > 0 ? configured : readContractFile(quickstartDataDirectory())?.grpcAddresses?.['billing'];
  if (address === undefined)
    throw new SwitchyardError('gateway_unavailable', 'No billing service is known: set SWITCHYARD_BILLING_ADDRESS, or start the quick start.');
  return address;
}
