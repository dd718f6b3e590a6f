import { loadConfig } from '@switchyard/config';
import { replayDeadLetters } from '@switchyard/events';
import { PlatformResources, platformConfig } from '@switchyard/runtime';
import { createLogger } from '@switchyard/telemetry';
import { UsageError } from '../targets.js';
import { eventLogEnvironment } from './event-log-environment.js';

/** `events replay`: publishes dead letters again, to the topics they came from, and tells how many. */
export async function eventsCommand(commandArguments: readonly string[]): Promise<number> {
  if (commandArguments[0] !== 'replay' || commandArguments.length > 1) throw new UsageError('Usage: events replay.');
  const config = loadConfig(platformConfig, eventLogEnvironment());
  const logger = createLogger({ level: 'warn', format: 'pretty', destination: process.stderr });
  const resources = new PlatformResources(config, logger);
  try {
    const { replayedCount, unknownCount } = await replayDeadLetters(resources.eventLog, { logger });
    process.stdout.write(`Published ${replayedCount} events again${unknownCount > 0 ? `; ${unknownCount} tell no topic and stay` : ''}.\n`);
    return 0;
  } finally {
    await resources.close();
  }
}
