import { DAY_MS } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import { handleSound, type ConsumedRecord, type EventLog, type PartitionProgress } from '@switchyard/events';
import type { Logger } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import { ActivityStore } from './activity.store.js';
import { EndpointStatisticsStore } from './endpoint-statistics.store.js';
import { GenerationStore } from './generation.store.js';
import { deleteSince } from './rebuild.store.js';
import { CONSUMER_GROUP, CONSUMER_TOPICS, parseUsageEvent, UsageEventConsumer, type UsageEvent } from './usage-event.consumer.js';

export interface RebuildOptions {
  readonly eventLog: EventLog;
  /** Connections to analytics' schema. */
  readonly pool: Pool;
  readonly logger: Logger;
}

export interface RebuildReport {
  /** Figures are rebuilt from here on, unix milliseconds, the beginning of a day (UTC); 0 for all there are. */
  readonly sinceMs: number;
  readonly eventCount: number;
  /** Records that are no events, or whose values the database refuses; they were dead letters when they came first. */
  readonly unreadableCount: number;
}

/** Clocks of those who accept, publish and keep may differ. */
const CLOCKS_DIFFER_MS = 3_600_000;
const MAX_BATCH_SIZE = 1_000;
const LOOK_INTERVAL_MS = 100;

/**
 * Fills analytics' tables anew from the event log, as far back as the log is whole. Analytics must not run: its consumer group begins anew. Ended in the
 * middle, it can be repeated; analytics itself goes on with the rest when it starts first.
 *
 * @throws SwitchyardError `precondition_failed` while analytics runs
 */
export async function rebuildAnalytics(options: RebuildOptions): Promise<RebuildReport> {
  const { eventLog, pool, logger } = options;
  const sinceMs = wholeDaysSince(await eventLog.keptSinceMs(CONSUMER_TOPICS));
  const handled = await eventLog.progress(CONSUMER_GROUP, CONSUMER_TOPICS);
  // Before anything is deleted: events that come again are known as long as their rows are there.
  await eventLog.forgetGroup(CONSUMER_GROUP);
  await withTransaction(pool, (client) => deleteSince(client, sinceMs));
  logger.info('Analytics begins anew.', { detail: new Date(sinceMs).toISOString() });
  return { sinceMs, ...(await consumeToTheEnd(options, isStanding(sinceMs, handled))) };
}

/**
 * True for events that stand in figures which stay as they are. Their rows would tell too, unless requests are kept for a shorter time than the log keeps
 * events: then the event is all there is, and would count again.
 */
function isStanding(sinceMs: number, handled: readonly PartitionProgress[]): (event: UsageEvent, record: ConsumedRecord) => boolean {
  const handledUntil = new Map(handled.map(({ topic, partition, nextOffset }) => [`${topic} ${partition}`, nextOffset]));
  return (event, { topic, partition, offset }) => {
    const timeMs = event.kind === 'generation' ? event.generation.event.acceptTimeMs : event.attempt.endTimeMs;
    return timeMs < BigInt(sinceMs) && offset < (handledUntil.get(`${topic} ${partition}`) ?? 0n);
  };
}

/** The first instant from which on days are whole. */
export function wholeDaysSince(keptSinceMs: number): number {
  return keptSinceMs === 0 ? 0 : Math.ceil((keptSinceMs + CLOCKS_DIFFER_MS) / DAY_MS) * DAY_MS;
}

async function consumeToTheEnd(
  { eventLog, pool, logger }: RebuildOptions,
  stands: (event: UsageEvent, record: ConsumedRecord) => boolean,
): Promise<Omit<RebuildReport, 'sinceMs'>> {
  const consumer = new UsageEventConsumer({
    eventLog,
    pool,
    generations: new GenerationStore(pool),
    activity: new ActivityStore(pool),
    statistics: new EndpointStatisticsStore(pool),
    logger,
    maxBatchSize: MAX_BATCH_SIZE,
  });
  const ends = await eventLog.progress(CONSUMER_GROUP, CONSUMER_TOPICS);
  if (ends.some(({ firstOffset, nextOffset }) => nextOffset > firstOffset))
    throw new SwitchyardError('precondition_failed', 'Analytics was started meanwhile and has read events in vain: stop it and rebuild again.');
  let [eventCount, unreadableCount] = [0, 0];
  const subscription = await eventLog.subscribe({
    group: CONSUMER_GROUP,
    topics: CONSUMER_TOPICS,
    maxBatchSize: MAX_BATCH_SIZE,
    handler: async (batch) => {
      const readable = batch.flatMap((record) => readableEvent(record).map((event) => ({ event, record })));
      const wanted = readable.filter(({ event, record }) => !stands(event, record));
      const refused = await handleSound(wanted, (sound) => consumer.consume(sound.map(({ event }) => event)));
      eventCount += readable.length - refused.length;
      unreadableCount += batch.length - readable.length + refused.length;
    },
  });
  try {
    for (let waits = true; waits;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
      const progress = await eventLog.progress(CONSUMER_GROUP, CONSUMER_TOPICS);
      waits = ends.some((end) => progress.some((each) => each.topic === end.topic && each.partition === end.partition && each.nextOffset < end.endOffset));
    }
  } finally {
    await subscription.close();
  }
  return { eventCount, unreadableCount };
}

function readableEvent(record: ConsumedRecord): UsageEvent[] {
  try {
    return [parseUsageEvent(record)];
  } catch {
    return [];
  }
}
