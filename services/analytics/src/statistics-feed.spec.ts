import { describe, expect, it } from '@jest/globals';
import { captureLogger, manualClock } from '@switchyard/testing';
import type { SlotCounts } from './core/endpoint-windows.js';
import { StatisticsFeed } from './statistics-feed.js';

const NOW = Date.UTC(2026, 0, 1, 12);

function feedOver(slots: SlotCounts[]) {
  const clock = manualClock(NOW);
  const store = { readSlots: async () => [...slots], readMeasures: async () => [], sumSlots: async () => [] };
  return { clock, feed: new StatisticsFeed({ store, clock, logger: captureLogger(), intervalMs: 2_000 }) };
}

function slot(endpointId: string, successCount: number): SlotCounts {
  return { slotMs: NOW - 10_000, endpointId, successCount, failureCount: 0, rateLimitedCount: 0 };
}

describe('StatisticsFeed', () => {
  it('streams the whole set first, then only what changed', async () => {
    const slots = [slot('a', 1), slot('b', 1)];
    const { feed } = feedOver(slots);
    await feed.tick();
    const watch = feed.watch()[Symbol.asyncIterator]();
    const first = await watch.next();
    expect(first.value?.endpoints.map((endpoint: { endpointId: string }) => endpoint.endpointId)).toEqual(['a', 'b']);
    slots[1] = slot('b', 2);
    await feed.tick();
    const second = await watch.next();
    expect(second.value?.endpoints).toMatchObject([{ endpointId: 'b', last5m: { successCount: 2n } }]);
  });

  it('gives a slow reader the newest figures once, not every one', async () => {
    const slots = [slot('a', 1)];
    const { feed } = feedOver(slots);
    await feed.tick();
    const watch = feed.watch()[Symbol.asyncIterator]();
    await watch.next();
    for (const count of [2, 3, 4]) {
      slots[0] = slot('a', count);
      await feed.tick();
    }
    expect((await watch.next()).value?.endpoints).toMatchObject([{ last5m: { successCount: 4n } }]);
  });

  it('lets other work have its turn while it computes many endpoints', async () => {
    const { feed } = feedOver(Array.from({ length: 500 }, (_, index) => slot(`e${index}`, 1)));
    let turnCount = 0;
    let isDone = false;
    const countTurns = (): void => {
      turnCount++;
      if (!isDone) setImmediate(countTurns);
    };
    setImmediate(countTurns);
    await feed.tick();
    isDone = true;
    expect(turnCount).toBeGreaterThan(20);
  });

  it('lets what failed recently grow old while the database is away', async () => {
    const clock = manualClock(NOW);
    let isAway = false;
    const readSlots = async () => {
      if (isAway) throw new Error('away');
      return [{ ...slot('a', 1), failureCount: 3 }];
    };
    const store = { readSlots, readMeasures: async () => [], sumSlots: async () => [] };
    const feed = new StatisticsFeed({ store, clock, logger: captureLogger(), intervalMs: 2_000 });
    await feed.tick();
    const watch = feed.watch()[Symbol.asyncIterator]();
    expect((await watch.next()).value?.endpoints).toMatchObject([{ recentFailureCount: 3n }]);
    isAway = true;
    clock.advance(40_000);
    await expect(feed.tick()).rejects.toThrow('away');
    expect((await watch.next()).value?.endpoints).toMatchObject([{ recentFailureCount: 0n, last5m: { failureCount: 3n } }]);
    expect(feed.ageMs()).toBe(40_000);
  });

  it('ends when the watcher leaves and when it is stopped', async () => {
    const { feed } = feedOver([]);
    const abort = new AbortController();
    const left = feed.watch(abort.signal)[Symbol.asyncIterator]();
    const stopped = feed.watch()[Symbol.asyncIterator]();
    await Promise.all([left.next(), stopped.next()]);
    const ends = [left.next(), stopped.next()];
    abort.abort();
    await feed.stop();
    expect((await Promise.all(ends)).map((end) => end.done)).toEqual([true, true]);
  });

  it('ends after what is known for one that comes when it was stopped, and for one that is already gone', async () => {
    const { feed } = feedOver([]);
    const late = feed.watch(AbortSignal.abort())[Symbol.asyncIterator]();
    await feed.stop();
    const later = feed.watch()[Symbol.asyncIterator]();
    for (const watch of [late, later]) expect((await untilDone(watch)).done).toBe(true);
  });
});

async function untilDone(watch: AsyncIterator<unknown>): Promise<IteratorResult<unknown>> {
  const result = await watch.next();
  return result.done === true ? result : watch.next();
}
