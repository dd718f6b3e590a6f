import { parseArgs, type ParseArgsConfig } from 'node:util';
import { UsageError } from '../targets.js';

/** What a command's arguments say. @throws UsageError naming what is wrong with them, and the usage where there is one to tell */
export function parseFlags<Config extends ParseArgsConfig>(config: Config, usage?: string): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(usage === undefined ? message : `${message}. ${usage}`);
  }
}
