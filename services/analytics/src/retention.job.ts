import type { Clock } from '@switchyard/core';
import type { Logger } from '@switchyard/telemetry';
import { LONG_WINDOW_MS } from './core/endpoint-windows.js';
import type { EndpointStatisticsStore } from './endpoint-statistics.store.js';
import type { PartitionStore } from './partition.store.js';

export interface RetentionJobOptions {
  readonly partitions: PartitionStore;
  readonly statistics: Pick<EndpointStatisticsStore, 'deleteBefore'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly generationRetentionMs: number;
  readonly attemptRetentionMs: number;
}

const HOUR_MS = 3_600_000;
const MONTHS_AHEAD = 2;

/** Keeps partitions made ahead and drops what is older than its retention; hourly. */
export class RetentionJob {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: RetentionJobOptions) {}

  async start(): Promise<void> {
    await this.run();
    this.timer = setInterval(() => {
      this.running = this.run().catch((error: unknown) => this.options.logger.warn('Old analytics data could not be dropped.', { error }));
    }, HOUR_MS);
    this.timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  async run(): Promise<void> {
    const { partitions, statistics, clock, logger, generationRetentionMs, attemptRetentionMs } = this.options;
    const nowMs = clock.nowMs();
    await partitions.withLock(async (locked) => {
      for (const [ahead, [year, month]] of monthsAhead(nowMs).entries()) {
        for (const table of ['generation', 'attempt'] as const) {
          if (!(await locked.ensureMonth(table, year, month, ahead > 0)))
            logger.warn('Events came for a month before its partition was made; they stay in the default one.', { detail: `${table} ${year}-${month}` });
        }
      }
      const dropped = [
        ...(await locked.dropBefore('generation', nowMs - generationRetentionMs)),
        ...(await locked.dropBefore('attempt', nowMs - attemptRetentionMs)),
      ];
      if (dropped.length > 0) logger.info('Dropped partitions past their retention.', { detail: dropped.join(', ') });
    });
    await statistics.deleteBefore(nowMs - LONG_WINDOW_MS - HOUR_MS);
  }
}

function monthsAhead(nowMs: number): [year: number, month: number][] {
  const now = new Date(nowMs);
  return Array.from({ length: MONTHS_AHEAD + 1 }, (_, ahead) => {
    const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1));
    return [month.getUTCFullYear(), month.getUTCMonth() + 1];
  });
}
