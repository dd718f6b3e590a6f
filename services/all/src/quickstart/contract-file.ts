import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What scripts read to use a running quick start: `<data dir>/quickstart.json`. It is there only while the platform is ready. */
export interface ContractFile {
  /** `http://127.0.0.1:<port>/api/v1`, unless `SWITCHYARD_HTTP_HOST` names another address. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly managementKey: string;
  /** Account that both keys belong to. */
  readonly accountId: string;
  /** A model that answers. */
  readonly model: string;
  /** Process ids by target. */
  readonly processes: Readonly<Record<string, readonly number[]>>;
  /** One per ingress, each like `baseUrl`. */
  readonly ingressUrls: readonly string[];
  /** `host:port` by target, for the command line. */
  readonly grpcAddresses?: Readonly<Record<string, string>>;
  /** Where each process answers `/healthz`, `/readyz` and `/metrics`, by target. */
  readonly healthUrls?: Readonly<Record<string, readonly string[]>>;
  /** Where events are, for the command line. */
  readonly eventLog?: { readonly databaseUrl?: string | undefined; readonly kafkaBrokers?: string | undefined };
}

const NAME = 'quickstart.json';

export function readContractFile(dataDirectory: string): ContractFile | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDirectory, NAME), 'utf8')) as ContractFile;
  } catch {
    return undefined;
  }
}

export function writeContractFile(dataDirectory: string, contract: ContractFile): void {
  writePrivateFile(join(dataDirectory, NAME), `${JSON.stringify(contract, undefined, 2)}\n`);
}

export function removeContractFile(dataDirectory: string): void {
  rmSync(join(dataDirectory, NAME), { force: true });
}

/** Readable by its owner alone, and whole or not at all. */
export function writePrivateFile(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, path);
}
