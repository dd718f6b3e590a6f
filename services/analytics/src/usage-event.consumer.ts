import { allAnswered, withLikelyNew } from '@switchyard/db';
import {
  consumeWithDeadLetter,
  generationCompletedOf,
  attemptCompletedOf,
  TOPICS,
  type ConsumedRecord,
  type EventLog,
  type Subscription,
} from '@switchyard/events';
import type { events } from '@switchyard/proto';
import type { Logger } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import type { ActivityStore } from './activity.store.js';
import { insertAttempts } from './attempt.store.js';
import type { EndpointStatisticsStore } from './endpoint-statistics.store.js';
import { canonicalEventId, requireEndName, requireTimedId, type GenerationStore, type StoredGeneration } from './generation.store.js';

export const CONSUMER_GROUP = 'analytics';
export const CONSUMER_TOPICS: readonly string[] = [TOPICS.generationCompleted, TOPICS.attemptCompleted];

/** The last instant that a date can name. */
const MAX_TIME_MS = 8_640_000_000_000_000n;

export type UsageEvent =
  { readonly kind: 'generation'; readonly generation: StoredGeneration } | { readonly kind: 'attempt'; readonly attempt: events.AttemptCompleted };

export interface UsageEventConsumerOptions {
  readonly eventLog: EventLog;
  readonly pool: Pool;
  readonly generations: GenerationStore;
  readonly activity: ActivityStore;
  readonly statistics: EndpointStatisticsStore;
  readonly logger: Logger;
  readonly maxBatchSize: number;
}

/** Writes usage events. An event's id is inserted in the transaction of its effect, so delivering it again changes nothing. */
export class UsageEventConsumer {
  /** Events so far, those that came twice included. */
  handledCount = 0;
  /** Events that can never be stored and were kept as dead letters. */
  deadLetterCount = 0;
  private subscription: Subscription | undefined;

  constructor(private readonly options: UsageEventConsumerOptions) {}

  async start(): Promise<void> {
    const { eventLog, logger, maxBatchSize } = this.options;
    this.subscription = await consumeWithDeadLetter({
      eventLog,
      group: CONSUMER_GROUP,
      topics: CONSUMER_TOPICS,
      maxBatchSize,
      logger,
      parse: parseUsageEvent,
      handler: (batch) => this.consume(batch.map(({ event }) => event)),
      onDeadLetter: (count) => {
        this.deadLetterCount += count;
      },
    });
  }

  async stop(): Promise<void> {
    await this.subscription?.close();
    this.subscription = undefined;
  }

  async consume(batch: readonly UsageEvent[]): Promise<void> {
    const { pool, generations, activity, statistics } = this.options;
    const ended = onceById(
      batch.flatMap((item) => (item.kind === 'generation' ? [item.generation] : [])),
      ({ event }) => event,
    );
    const tried = onceById(
      batch.flatMap((item) => (item.kind === 'attempt' ? [item.attempt] : [])),
      (attempt) => attempt,
    );
    await withLikelyNew(pool, async (client, mayBeKnown) => {
      const inserted = allAnswered([generations.insert(client, ended, mayBeKnown), insertAttempts(client, tried, mayBeKnown)]);
      // What is taken to be new need not wait for the answer.
      const [newEnded, newTried] = mayBeKnown ? await inserted : [ended, tried];
      await allAnswered([inserted, activity.add(client, newEnded), statistics.add(client, newTried)]);
    });
    this.handledCount += batch.length;
  }
}

/** @throws TypeError for a record that can never be stored */
export function parseUsageEvent(record: ConsumedRecord): UsageEvent {
  if (record.topic === TOPICS.attemptCompleted) {
    const attempt = attemptCompletedOf(record);
    requireTimedId(attempt.eventId);
    return { kind: 'attempt', attempt };
  }
  const event = generationCompletedOf(record);
  requireTimedId(event.eventId);
  requireEndName(event);
  if (event.acceptTimeMs < 0n || event.acceptTimeMs > MAX_TIME_MS) throw new TypeError('A generation has an accept time.');
  return { kind: 'generation', generation: { event, json: record.value } };
}

/** Each event once, sorted by id: batches that overlap wait for each other instead of locking each other out. */
function onceById<Item>(items: readonly Item[], eventOf: (item: Item) => { readonly eventId: string }): Item[] {
  const byId = new Map<string, Item>();
  for (const item of items) {
    const id = canonicalEventId(eventOf(item).eventId);
    if (!byId.has(id)) byId.set(id, item);
  }
  return [...byId].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, item]) => item);
}
