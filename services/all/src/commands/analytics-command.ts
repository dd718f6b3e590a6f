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
    const unreadable = unreadableCount === 0 ? '' : ` ${unreadableCount} records were no events.`;
    process.stdout.write(`Read ${eventCount} events and rebuilt ${extentOf(sinceMs, Date.now())}.${unreadable}\n`);
    return 0;
  } finally {
    await resources.close();
  }
}

function extentOf(sinceMs: number, nowMs: number): string {
  if (sinceMs === 0) return 'everything';
  if (sinceMs > nowMs) return 'nothing, because the event log has no whole day any more; all figures stayed as they were';
  return `what was accepted since ${new Date(sinceMs).toISOString().slice(0, 10)} 00:00 UTC; older figures stayed as they were`;
}
