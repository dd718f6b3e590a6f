import { describe, expect, it } from '@jest/globals';
import { PrometheusMetrics } from '@switchyard/telemetry';
import { captureLogger, eventually, manualClock } from '@switchyard/testing';
import { ConsumerLagWatch } from './consumer-lag.js';
import type { PartitionProgress } from './event-log.js';

describe('the lag of a consumer group', () => {
  const clock = manualClock();
  const metrics = new PrometheusMetrics();
  const logger = captureLogger();
  let progress: PartitionProgress[] | Error = [];
  const eventLog = {
    progress: async () => {
      if (progress instanceof Error) throw progress;
      return progress;
    },
  };
  const at = (topic: string, partition: number, nextOffset: bigint, endOffset: bigint): PartitionProgress => ({
    topic,
    partition,
    firstOffset: 0n,
    nextOffset,
    endOffset,
  });
  const watch = new ConsumerLagWatch({ eventLog, group: 'billing', topics: ['done', 'tried'], metrics, clock, logger, intervalMs: 10 });
  const shown = (name: string, topic: string): number =>
    Number(new RegExp(`^${name}{group="billing",topic="${topic}"} (.*)$`, 'm').exec(metrics.render())?.[1]);
  const measure = async (next: PartitionProgress[]) => {
    progress = next;
    await watch.measure();
    return ['done', 'tried'].map((topic) => [shown('switchyard_consumer_lag_records', topic), shown('switchyard_consumer_lag_seconds', topic)]);
  };

  it('is counted by topic, and dated by when the log was seen without what waits', async () => {
    expect(await measure([at('done', 0, 10n, 10n), at('done', 1, 5n, 5n), at('tried', 0, 0n, 0n)])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    clock.advance(5_000);
    expect(await measure([at('done', 0, 10n, 14n), at('done', 1, 5n, 5n), at('tried', 0, 0n, 1n)])).toEqual([
      [4, 5],
      [1, 5],
    ]);
    clock.advance(5_000);
    expect(await measure([at('done', 0, 10n, 20n), at('done', 1, 6n, 8n), at('tried', 0, 1n, 1n)])).toEqual([
      [12, 10],
      [0, 0],
    ]);
    // What waits now came after the second look.
    expect(await measure([at('done', 0, 14n, 20n), at('done', 1, 8n, 8n), at('tried', 0, 1n, 1n)])).toEqual([
      [6, 5],
      [0, 0],
    ]);
  });

  it('grows old while nothing is handled, also what waited from the beginning', async () => {
    expect(await measure([at('done', 7, 0n, 3n)])).toEqual([
      [3, 0],
      [0, 0],
    ]);
    for (let index = 0; index < 1_000; index++) {
      clock.advance(5_000);
      await measure([at('done', 7, 0n, 3n + BigInt(index % 2))]);
    }
    expect(shown('switchyard_consumer_lag_seconds', 'done')).toBe(5_000);
  });

  it('stays as it was while the log is away, which is told once, and follows again', async () => {
    await measure([at('done', 0, 1n, 3n)]);
    progress = new Error('The log is away.');
    const warnings = () => logger.lines.filter(({ message }) => message.startsWith('The lag of a consumer group'));
    watch.start();
    await eventually(() => expect(warnings()).toHaveLength(1));
    expect(shown('switchyard_consumer_lag_records', 'done')).toBe(2);
    progress = [at('done', 0, 3n, 3n)];
    await eventually(() => expect(shown('switchyard_consumer_lag_records', 'done')).toBe(0));
    watch.stop();
    expect(warnings()).toHaveLength(1);
  });
});
