import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '@switchyard/config';
import { PROVIDER_MANIFESTS } from '@switchyard/providers';
import { ManagedProcess } from './managed-process.js';

const SUPERVISOR = fileURLToPath(new URL('./simulator-supervisor.js', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5000;

export interface SimulatedProviders {
  readonly pid: number;
  /** File for `SWITCHYARD_CATALOG_FILE`. */
  readonly catalogFile: string;
  stop(): Promise<void>;
  onUnexpectedExit(listener: (how: string) => void): void;
}

/** Whoever brings a provider's key, or a catalogue of their own, wants real providers. */
export function wantsSimulators(environment: Environment): boolean {
  const isSet = (name: string): boolean => (environment[name] ?? '').trim() !== '';
  return (
    !isSet('SWITCHYARD_CATALOG_FILE') &&
    !isSet('SWITCHYARD_CREDENTIALS_DIR') &&
    !PROVIDER_MANIFESTS.some((manifest) => manifest.credentialVariables.some(isSet))
  );
}

export async function startSimulatedProviders(dataDirectory: string, environment: Environment): Promise<SimulatedProviders> {
  const child = new ManagedProcess({
    name: 'simulator',
    script: SUPERVISOR,
    scriptArguments: [],
    environment,
    logFile: join(dataDirectory, 'logs', 'simulator.log'),
    answersWithLine: true,
  });
  const catalog: unknown = JSON.parse(await child.firstLine(START_TIMEOUT_MS));
  const catalogFile = join(dataDirectory, 'simulated-catalog.yaml');
  // JSON is YAML too.
  writeFileSync(catalogFile, `${JSON.stringify(catalog, undefined, 2)}\n`);
  return { pid: child.pid, catalogFile, stop: () => child.stop(STOP_TIMEOUT_MS), onUnexpectedExit: (listener) => child.onUnexpectedExit(listener) };
}
