import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '@switchyard/testing';
import { stringify } from 'yaml';
import { testCatalog, type TestProvider } from './test-catalog.js';

/** `all`: every target in one process, event log in Postgres. `split`: five processes over gRPC and Kafka. */
export type Shape = 'all' | 'split';

export interface PlatformOptions {
  readonly shape: Shape;
  /** Providers that the tests run themselves; the built-in catalogue is left out unless `builtInCatalog`. */
  readonly providers: readonly TestProvider[];
  readonly builtInCatalog?: boolean;
  /** Further sections of the operator's catalogue file. */
  readonly catalog?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What the quick start writes once everything answers. */
export interface PlatformContract {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly managementKey: string;
  /** Account of both keys. */
  readonly accountId: string;
  readonly model: string;
  readonly processes: Readonly<Record<string, readonly number[]>>;
  readonly ingressUrls?: readonly string[];
  /** `host:port` by target. */
  readonly grpcAddresses?: Readonly<Record<string, string>>;
  /** Where each process answers `/metrics`, by target. */
  readonly healthUrls?: Readonly<Record<string, readonly string[]>>;
  readonly eventLog?: { readonly databaseUrl?: string; readonly kafkaBrokers?: string };
}

/** A started platform, as a user would start it. */
export interface StartedPlatform extends PlatformContract {
  readonly shape: Shape;
  readonly dataDirectory: string;
  readonly catalogFile: string;
  /** Everything the program printed so far. */
  output(): string;
  /** Ends it as Ctrl-C does; its data stays until `remove`. */
  stop(): Promise<number | null>;
  remove(): Promise<void>;
}

const ROOT = resolve(import.meta.dirname, '../../..');
const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

export async function startPlatform(options: PlatformOptions): Promise<StartedPlatform> {
  const directory = mkdtempSync(join(tmpdir(), 'switchyard-test-'));
  // Postgres never runs as root: started by root it becomes another user, who must be able to reach its folder.
  chmodSync(directory, 0o755);
  const catalogFile = join(directory, 'catalog.yaml');
  writeFileSync(
    catalogFile,
    stringify({ ...testCatalog(options.providers, options.builtInCatalog === true), ...options.catalog }, { aliasDuplicateObjects: false }),
  );
  return startPlatformIn(directory, catalogFile, options);
}

/** Starts over the data that an earlier start left. */
export async function startPlatformIn(
  directory: string,
  catalogFile: string,
  options: Pick<PlatformOptions, 'shape' | 'environment'>,
): Promise<StartedPlatform> {
  const dataDirectory = join(directory, 'data');
  const contractFile = join(dataDirectory, 'quickstart.json');
  const port = await freePort();
  const startTimeMs = Date.now();
  const child = spawn(process.execPath, quickstartArguments(options.shape), {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      ...forwarded('KAFKA_BROKERS', 'JAVA_HOME', 'DOCKER_HOST', 'HTTPS_PROXY', 'https_proxy'),
      SWITCHYARD_HTTP_PORT: String(port),
      SWITCHYARD_DATA_DIR: dataDirectory,
      SWITCHYARD_CATALOG_FILE: catalogFile,
      SWITCHYARD_DRAIN_DELAY_MS: '0',
      ...options.environment,
    },
  });
  const output = collect(child);
  const contract = await waitForContract(child, contractFile, startTimeMs, output);
  return {
    ...contract,
    shape: options.shape,
    dataDirectory,
    catalogFile,
    output,
    stop: () => stop(child),
    remove: async () => {
      await stop(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Node's options among them, as `npm start` and `npm run start:split` give them to Node. */
function quickstartArguments(shape: Shape): readonly string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  const script = scripts[shape === 'split' ? 'start:split' : 'start'] ?? '';
  const [, commandLine] = script.split('tools/bootstrap.mjs ');
  if (commandLine === undefined) throw new Error(`The script does not start the quick start as it did: ${script}`);
  return commandLine.split(' ');
}

async function waitForContract(child: ChildProcess, file: string, startTimeMs: number, output: () => string): Promise<PlatformContract> {
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the platform ended while starting:\n${output()}`);
    const contract = readContract(file);
    if (contract && (await isReady(contract.baseUrl))) return contract;
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  await stop(child);
  throw new Error(`the platform was not ready after ${Date.now() - startTimeMs} ms:\n${output()}`);
}

function readContract(file: string): PlatformContract | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as PlatformContract;
  } catch {
    return undefined;
  }
}

async function isReady(baseUrl: string): Promise<boolean> {
  try {
    const response = await fetch(new URL('/readyz', baseUrl));
    return response.ok;
  } catch {
    return false;
  }
}

function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((done) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    child.once('exit', (code) => {
      clearTimeout(timer);
      done(code);
    });
    child.kill('SIGINT');
  });
}

function collect(child: ChildProcess): () => string {
  let text = '';
  const add = (piece: Buffer) => {
    text = (text + piece.toString()).slice(-100_000);
  };
  child.stdout?.on('data', add);
  child.stderr?.on('data', add);
  return () => text;
}

function forwarded(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}
