import { ConfigError, loadConfig } from '@switchyard/config';
import { MigrationError } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import { migrateTargets, platformConfig } from '@switchyard/runtime';
import { createLogger } from '@switchyard/telemetry';
import { loadTargets } from '../targets.js';
import { parseTargetArguments } from './target-arguments.js';

/**
 * Brings the schemas of targets up to date; safe to run beside running processes, by several at once and more than once. Exit code 1 and one sentence
 * when a migration fails, of which then nothing is left.
 */
export async function migrateCommand(commandArguments: readonly string[]): Promise<number> {
  const config = loadConfig(platformConfig);
  const targets = await loadTargets(parseTargetArguments(commandArguments).names);
  try {
    await migrateTargets(targets, config, createLogger({ level: config.logLevel, format: config.logFormat }));
  } catch (error) {
    if (error instanceof ConfigError || error instanceof SwitchyardError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new SwitchyardError('server', error instanceof MigrationError ? reason : `The schemas cannot be migrated: ${reason}`, { cause: error });
  }
  process.stdout.write('All schemas are up to date.\n');
  return 0;
}
