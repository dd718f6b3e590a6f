import type { Person } from '@switchyard/analytics/erase-person';
import { loadConfig } from '@switchyard/config';
import { PlatformResources, platformConfig } from '@switchyard/runtime';
import { createLogger, type Logger } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import { UsageError } from '../targets.js';
import { eventLogEnvironment } from './event-log-environment.js';
import { parseFlags } from './parse-flags.js';

const USAGE = 'Usage: analytics rebuild, or analytics erase --account=<id> with one of --user=<user>, --session=<id>, --generation=<id>.';
const SUBJECTS = ['user', 'session', 'generation'] as const;

/** `analytics rebuild` and `analytics erase`. */
export async function analyticsCommand(commandArguments: readonly string[]): Promise<number> {
  const [action, ...rest] = commandArguments;
  if (action === 'rebuild' && rest.length === 0) return withAnalytics(rebuild);
  if (action !== 'erase') throw new UsageError(USAGE);
  const person = parsePerson(rest);
  return withAnalytics((parts) => erase(parts, person));
}

interface AnalyticsParts {
  readonly resources: PlatformResources;
  readonly pool: Pool;
  readonly logger: Logger;
}

async function withAnalytics(work: (parts: AnalyticsParts) => Promise<string>): Promise<number> {
  // On demand, here and below: other commands do without analytics' code.
  const { analyticsTarget } = await import('@switchyard/analytics/analytics.target');
  const logger = createLogger({ level: 'warn', format: 'pretty', destination: process.stderr });
  const resources = new PlatformResources(loadConfig(platformConfig, eventLogEnvironment()), logger);
  try {
    await resources.requireSchemas([analyticsTarget.schema ?? []].flat());
    process.stdout.write(`${await work({ resources, pool: resources.pool(analyticsTarget.name, analyticsTarget.schema), logger })}\n`);
    return 0;
  } finally {
    await resources.close();
  }
}

/** Fills analytics' tables anew from the event log, while analytics itself is stopped. */
async function rebuild({ resources, pool, logger }: AnalyticsParts): Promise<string> {
  const { rebuildAnalytics } = await import('@switchyard/analytics/rebuild-analytics');
  const { sinceMs, eventCount, unreadableCount } = await rebuildAnalytics({ eventLog: resources.eventLog, pool, logger });
  const unreadable = unreadableCount === 0 ? '' : ` ${unreadableCount} records are no events, or say what the database refuses.`;
  return `Read ${eventCount} events and rebuilt ${extentOf(sinceMs, Date.now())}.${unreadable}`;
}

function extentOf(sinceMs: number, nowMs: number): string {
  if (sinceMs === 0) return 'everything';
  if (sinceMs > nowMs) return 'nothing, because the event log has no whole day any more; all figures stayed as they were';
  return `what was accepted since ${new Date(sinceMs).toISOString().slice(0, 10)} 00:00 UTC; older figures stayed as they were`;
}

async function erase({ pool, logger }: AnalyticsParts, person: Person): Promise<string> {
  const { erasePerson } = await import('@switchyard/analytics/erase-person');
  const { generationCount, activityCount } = await erasePerson({ pool, logger }, person);
  const activity = person.by === 'user' ? ` and ${activityCount} rows of activity` : '';
  return `Emptied ${generationCount} generations${activity}. The ledger keeps what it booked; see docs/guides/operate.md.`;
}

/** @throws UsageError */
function parsePerson(commandArguments: readonly string[]): Person {
  const text = { type: 'string' } as const;
  const { values } = parseFlags({ args: commandArguments, options: { account: text, user: text, session: text, generation: text } }, USAGE);
  const { account, ...subjects } = values;
  const given = SUBJECTS.flatMap((by) => (subjects[by] === undefined ? [] : [{ by, value: subjects[by] }]));
  const [subject] = given;
  if (!account || given.length !== 1 || !subject?.value) throw new UsageError(USAGE);
  return { accountId: account, ...subject };
}
