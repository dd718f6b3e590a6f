import type { Logger } from '@switchyard/telemetry';
import type { ConsumedRecord, EventLog, EventRecord, Subscription } from './event-log.js';
import { TOPICS } from './topics.js';

/** Headers of a dead letter, besides those the event came with. */
export const DEAD_LETTER_HEADERS = {
  topic: 'dead_letter_topic',
  partition: 'dead_letter_partition',
  offset: 'dead_letter_offset',
  group: 'dead_letter_group',
  reason: 'dead_letter_reason',
  timeMs: 'dead_letter_time_ms',
  /** Also on a replayed event: the run that replayed it last. */
  replay: 'dead_letter_replay',
} as const;

export interface ParsedRecord<Event> {
  readonly event: Event;
  readonly record: ConsumedRecord;
}

/** Thrown by a handler for records that can never be handled; they go to the dead-letter topic and the rest of the batch is handled again. */
export class PoisonEventError extends Error {
  constructor(
    readonly records: readonly ConsumedRecord[],
    /** A short constant sentence; it is stored in a header. */
    readonly reason: string,
  ) {
    super(reason);
    this.name = 'PoisonEventError';
  }
}

export interface DeadLetterConsumerOptions<Event> {
  readonly eventLog: EventLog;
  readonly group: string;
  readonly topics: readonly string[];
  readonly maxBatchSize: number;
  /** As in `SubscribeOptions`. */
  readonly tracing?: 'parent' | 'link';
  readonly logger: Logger;
  /** Throws for a value that is not an event. */
  parse(record: ConsumedRecord): Event;
  /** Its effect must be in one transaction: when it throws `PoisonEventError`, nothing of the batch may have been kept, or keeping it twice must change nothing. */
  handler(batch: ParsedRecord<Event>[]): Promise<void>;
  /** For a metric. */
  onDeadLetter?(count: number): void;
}

export interface Poison {
  readonly record: ConsumedRecord;
  readonly reason: string;
}

type Handler<Event> = DeadLetterConsumerOptions<Event>['handler'];

const UNREADABLE = 'The value is not an event of its topic.';
/** SQLSTATE classes of what values are to blame for, and no other try changes: cardinality violations and data exceptions. */
const REFUSED_DATA = /^(21|22)[0-9A-Z]{3}$/;

/** Subscribes, and moves what can never be handled to the dead-letter topic, so that one bad event does not stop those behind it. */
export function consumeWithDeadLetter<Event>(options: DeadLetterConsumerOptions<Event>): Promise<Subscription> {
  const { eventLog, group, topics, maxBatchSize, tracing = 'link' } = options;
  return eventLog.subscribe({
    group,
    topics,
    maxBatchSize,
    tracing,
    handler: async (batch) => {
      const poison: Poison[] = [];
      const parsed = parseBatch(batch, options, poison);
      poison.push(...(await handleSound(parsed, options.handler)));
      if (poison.length === 0) return;
      await eventLog.publish(poison.map((each) => deadLetterOf(each, group)));
      reportPoison(poison, options);
    },
  });
}

function parseBatch<Event>(batch: readonly ConsumedRecord[], options: DeadLetterConsumerOptions<Event>, poison: Poison[]): ParsedRecord<Event>[] {
  const parsed: ParsedRecord<Event>[] = [];
  for (const record of batch) {
    try {
      parsed.push({ event: options.parse(record), record });
    } catch {
      poison.push({ record, reason: UNREADABLE });
    }
  }
  return parsed;
}

/** Hands over what can be handled; the records that never can be are the answer. `handler`: as in `DeadLetterConsumerOptions`. */
export async function handleSound<Event>(parsed: readonly ParsedRecord<Event>[], handler: Handler<Event>): Promise<readonly Poison[]> {
  const poison: Poison[] = [];
  let rest = [...parsed];
  while (rest.length > 0) {
    try {
      await handler(rest);
      break;
    } catch (error) {
      if (isRefusedData(error)) return [...poison, ...(await handleRefused(rest, handler))];
      if (!(error instanceof PoisonEventError)) throw error;
      const refused = new Set(error.records);
      const sound = rest.filter(({ record }) => !refused.has(record));
      // Naming records that were not in the batch would repeat it for ever.
      if (sound.length === rest.length) throw error;
      for (const { record } of rest) if (refused.has(record)) poison.push({ record, reason: error.reason });
      rest = sound;
    }
  }
  return poison;
}

/** Nobody knows which of the events it is, so each half is handled by itself until one is left alone. Some are refused only together. */
async function handleRefused<Event>(refused: readonly ParsedRecord<Event>[], handler: Handler<Event>): Promise<readonly Poison[]> {
  const [first, ...others] = refused;
  if (first && others.length === 0) return [{ record: first.record, reason: 'The database refuses its values.' }];
  const middle = Math.ceil(refused.length / 2);
  const poison = await handleSound(refused.slice(0, middle), handler);
  return [...poison, ...(await handleSound(refused.slice(middle), handler))];
}

function isRefusedData(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && REFUSED_DATA.test(error.code);
}

function deadLetterOf({ record, reason }: Poison, group: string): EventRecord {
  return {
    topic: TOPICS.deadLetter,
    key: record.key,
    value: record.value,
    headers: {
      ...record.headers,
      [DEAD_LETTER_HEADERS.topic]: record.topic,
      [DEAD_LETTER_HEADERS.partition]: String(record.partition),
      [DEAD_LETTER_HEADERS.offset]: String(record.offset),
      [DEAD_LETTER_HEADERS.group]: group,
      [DEAD_LETTER_HEADERS.reason]: reason.slice(0, 500),
      [DEAD_LETTER_HEADERS.timeMs]: String(record.timeMs),
    },
  };
}

function reportPoison<Event>(poison: readonly Poison[], options: DeadLetterConsumerOptions<Event>): void {
  for (const { record, reason } of poison) {
    const { topic, partition, offset } = record;
    options.logger.error('An event cannot be handled and is kept as a dead letter.', {
      topic,
      partition,
      offset: String(offset),
      reason,
      group: options.group,
    });
  }
  options.onDeadLetter?.(poison.length);
}
