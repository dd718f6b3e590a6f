import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { PROVIDER_MANIFESTS } from '@switchyard/providers';
import { runUntilSignal } from '@switchyard/runtime';
import { startSimulators } from '@switchyard/simulator';
import { UsageError } from '../targets.js';

/**
 * `simulate --catalog-file=<path>`: simulated providers on 127.0.0.1 until a signal comes. Writes the catalogue file that leads to
 * them, for `SWITCHYARD_CATALOG_FILE` of a router; the worker has to share their loopback interface.
 */
export async function simulateCommand(commandArguments: readonly string[]): Promise<number> {
  const catalogFile = parseCatalogFile(commandArguments);
  const simulators = await startSimulators(PROVIDER_MANIFESTS.map((manifest) => manifest.slug));
  mkdirSync(dirname(catalogFile), { recursive: true });
  const temporary = `${catalogFile}.${process.pid}.tmp`;
  // JSON is YAML too.
  writeFileSync(temporary, `${JSON.stringify(simulators.catalog, undefined, 2)}\n`);
  renameSync(temporary, catalogFile);
  for (const [name, provider] of simulators.providers) process.stdout.write(`${name}: ${provider.url}\n`);
  await runUntilSignal(() => simulators.close());
  return 0;
}

function parseCatalogFile(commandArguments: readonly string[]): string {
  const usage = 'Usage: simulate --catalog-file=<path>.';
  try {
    const { values } = parseArgs({ args: [...commandArguments], options: { 'catalog-file': { type: 'string' } } });
    if (!values['catalog-file']) throw new UsageError(usage);
    return values['catalog-file'];
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${(error as Error).message}. ${usage}`);
  }
}
