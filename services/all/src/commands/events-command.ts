import { loadConfig } from '@switchyard/config';
import { replayDeadLetters, TOPICS, type EventLog } from '@switchyard/events';
import { PlatformResources, platformConfig } from '@switchyard/runtime';
import { createLogger, type Logger } from '@switchyard/telemetry';
import { UsageError } from '../targets.js';
import { eventLogEnvironment } from './event-log-environment.js';
import { parseFlags } from './parse-flags.js';

const GROUPS = ['billing', 'analytics'];
const USAGE_TOPICS = [TOPICS.generationCompleted, TOPICS.attemptCompleted];
const USAGE = 'Usage: events replay, or events rewind --group=<billing|analytics>.';

/** `events replay` and `events rewind`: what operators do with the event log. */
export async function eventsCommand(commandArguments: readonly string[]): Promise<number> {
  const work = parseAction(commandArguments);
  const config = loadConfig(platformConfig, eventLogEnvironment());
  const logger = createLogger({ level: 'warn', format: 'pretty', destination: process.stderr });
  const resources = new PlatformResources(config, logger);
  try {
    await resources.requireSchemas(resources.eventLogSchemas);
    process.stdout.write(`${await work(resources.eventLog, logger)}\n`);
    return 0;
  } finally {
    await resources.close();
  }
}

type EventsAction = (eventLog: EventLog, logger: Logger) => Promise<string>;

/** @throws UsageError */
function parseAction(commandArguments: readonly string[]): EventsAction {
  const [action, ...rest] = commandArguments;
  if (action === 'replay' && rest.length === 0) return replay;
  if (action !== 'rewind') throw new UsageError(USAGE);
  const group = parseGroup(rest);
  return (eventLog) => rewind(eventLog, group);
}

/** @throws UsageError */
function parseGroup(commandArguments: readonly string[]): string {
  const { group } = parseFlags({ args: commandArguments, options: { group: { type: 'string' } } }, USAGE).values;
  if (group === undefined || !GROUPS.includes(group)) throw new UsageError(USAGE);
  return group;
}

/** Publishes dead letters again, to the topics they came from, and tells how many. */
async function replay(eventLog: EventLog, logger: Logger): Promise<string> {
  const { replayedCount, unknownCount } = await replayDeadLetters(eventLog, { logger });
  return `Published ${replayedCount} events again${unknownCount > 0 ? `; ${unknownCount} tell no topic and stay` : ''}.`;
}

/** What the group has in its database it recognises by the events' ids; what a restore lost it gets back. */
async function rewind(eventLog: EventLog, group: string): Promise<string> {
  await eventLog.forgetGroup(group);
  const [progress, keptSinceMs] = await Promise.all([eventLog.progress(group, USAGE_TOPICS), eventLog.keptSinceMs(USAGE_TOPICS)]);
  const count = progress.reduce((sum, { nextOffset, endOffset }) => sum + endOffset - nextOffset, 0n);
  const extent = keptSinceMs === 0 ? 'all there ever were' : `all since ${new Date(keptSinceMs).toISOString()}`;
  return `When ${group} starts it reads ${count} events once more, ${extent}.`;
}
