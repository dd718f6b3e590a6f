import { loadConfig } from '@switchyard/config';
import { migrateTargets, platformConfig } from '@switchyard/runtime';
import { createLogger } from '@switchyard/telemetry';
import { loadTargets } from '../targets.js';
import { parseTargetArguments } from './target-arguments.js';

/** Brings the schemas of targets up to date; safe to run beside running processes and more than once. */
export async function migrateCommand(commandArguments: readonly string[]): Promise<number> {
  const config = loadConfig(platformConfig);
  const targets = await loadTargets(parseTargetArguments(commandArguments).names);
  await migrateTargets(targets, config, createLogger({ level: config.logLevel, format: config.logFormat }));
  process.stdout.write('All schemas are up to date.\n');
  return 0;
}
