import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { PROVIDER_MANIFESTS } from '@switchyard/providers';
import { runUntilSignal } from '@switchyard/runtime';
import { simulatorCatalog, startSimulators, type SimulatorOptions } from '@switchyard/simulator';
import { UsageError } from '../targets.js';
import { parseFlags } from './parse-flags.js';

const USAGE = `Usage: simulate --catalog-file=<path> [--host=<address>] [--port=<first>] [--advertised-host=<name>] [--between-words=<ms>] [--catalog-only].`;
const STANDARD_OUTPUT = '-';
const LARGEST_NUMBER = 60_000;

interface SimulateArguments extends SimulatorOptions {
  /** `-`: standard output. */
  readonly catalogFile: string;
  readonly catalogOnly: boolean;
}

/**
 * `simulate --catalog-file=<path>`: simulated providers until a signal comes, on 127.0.0.1 and free ports unless told otherwise. Writes the
 * catalogue file that leads to them, for `SWITCHYARD_CATALOG_FILE` of a router. With `--catalog-only` the file is all: for simulators that run
 * elsewhere with the same arguments.
 */
export async function simulateCommand(commandArguments: readonly string[]): Promise<number> {
  const { catalogFile, catalogOnly, ...options } = parseSimulateArguments(commandArguments);
  const slugs = PROVIDER_MANIFESTS.map((manifest) => manifest.slug);
  if (catalogOnly) {
    writeCatalog(catalogFile, simulatorCatalog(slugs, { ...options, firstPort: options.firstPort! }));
    return 0;
  }
  const simulators = await startSimulators(slugs, options);
  writeCatalog(catalogFile, simulators.catalog);
  const tell = catalogFile === STANDARD_OUTPUT ? process.stderr : process.stdout;
  for (const [name, provider] of simulators.providers) tell.write(`${name}: http://${options.advertisedHost ?? '127.0.0.1'}:${provider.port}\n`);
  await runUntilSignal(() => simulators.close());
  return 0;
}

const text = { type: 'string' } as const;
const OPTIONS = {
  'catalog-file': text,
  host: text,
  port: text,
  'advertised-host': text,
  'between-words': text,
  'catalog-only': { type: 'boolean' },
} as const;

/** @throws UsageError */
export function parseSimulateArguments(commandArguments: readonly string[]): SimulateArguments {
  const { values } = parseFlags({ args: commandArguments, options: OPTIONS }, USAGE);
  const catalogFile = values['catalog-file'];
  const firstPort = wholeNumber(values.port);
  const catalogOnly = values['catalog-only'] ?? false;
  if (!catalogFile || (catalogOnly && !firstPort)) throw new UsageError(USAGE);
  const betweenWordsMs = wholeNumber(values['between-words']);
  return { catalogFile, catalogOnly, host: values.host, firstPort, advertisedHost: values['advertised-host'], betweenWordsMs };
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text) || Number(text) > LARGEST_NUMBER) throw new UsageError(USAGE);
  return Number(text);
}

function writeCatalog(path: string, catalog: object): void {
  // JSON is YAML too.
  const content = `${JSON.stringify(catalog, undefined, 2)}\n`;
  if (path === STANDARD_OUTPUT) return void process.stdout.write(content);
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}
