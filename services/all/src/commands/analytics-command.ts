import { loadConfig } from '@switchyard/config';
import { PlatformResources, platformConfig } from '@switchyard/runtime';
import { createLogger } from '@switchyard/telemetry';
import { UsageError } from '../targets.js';
import { eventLogEnvironment } from './event-log-environment.js';

/** `analytics rebuild`: fills analytics' tables anew from the event log, while analytics itself is stopped. */
export async function analyticsCommand(commandArguments: readonly string[]): Promise<number> {
  if (commandArguments[0] !== 'rebuild' || commandArguments.length > 1) throw new UsageError('Usage: analytics rebuild.');
  // On demand: other commands do without analytics' code.
  const [{ analyticsTarget }, { rebuildAnalytics }] = await Promise.all([
    import('@switchyard/analytics/analytics.target'),
    import('@switchyard/analytics/rebuild-analytics'),
  ]);
  const config = loadConfig(platformConfig, eventLogEnvironment());
  const logger = createLogger({ level: 'warn', format: 'pretty', destination: process.stderr });
  const resources = new PlatformResources(config, logger);
  try {
    const pool = resources.pool(analyticsTarget.name, analyticsTarget.schema);
    const { sinceMs, eventCount, unreadableCount } = await rebuildAnalytics({ eventLog: resources.eventLog, pool, logger });
    const extent = sinceMs === 0 ? 'everything' : `what was accepted since ${new Date(sinceMs).toISOString().slice(0, 10)}; older figures stayed as they were`;
    const unreadable = unreadableCount === 0 ? '' : ` ${unreadableCount} records were no events.`;
    process.stdout.write(`Read ${eventCount} events and rebuilt ${extent}.${unreadable}\n`);
    return 0;
  } finally {
    await resources.close();
  }
}
