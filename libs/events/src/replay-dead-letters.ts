import { randomUUID } from 'node:crypto';
import type { Logger } from '@switchyard/telemetry';
import { DEAD_LETTER_HEADERS } from './dead-letter.js';
import type { ConsumedRecord, EventLog, EventRecord } from './event-log.js';
import { TOPICS } from './topics.js';

export interface ReplayOptions {
  readonly logger: Logger;
}

export interface ReplayReport {
  /** Events that went back to the topic they came from. */
  readonly replayedCount: number;
  /** Dead letters whose origin is not known; they stay dead letters. */
  readonly unknownCount: number;
}

const REPLAY_GROUP = 'switchyard.dead-letter-replay';
/** Longest time for the whole. What was not reached stays for the next replay. */
const WITHIN_MS = 600_000;
const LAG_INTERVAL_MS = 100;

/**
 * Sends the dead letters that are there back to the topics they came from, once each. Consumers that did handle such an event find its id and do nothing.
 * An event that becomes a dead letter again during the replay is recognised by a header and waits for the next one.
 */
export async function replayDeadLetters(eventLog: EventLog, options: ReplayOptions): Promise<ReplayReport> {
  const run = new ReplayRun(eventLog, randomUUID());
  const subscription = await eventLog.subscribe({ group: REPLAY_GROUP, topics: [TOPICS.deadLetter], maxBatchSize: 100, handler: (batch) => run.handle(batch) });
  try {
    await run.untilDone(WITHIN_MS);
  } finally {
    await subscription.close();
  }
  const { replayedCount, unknownCount } = run;
  options.logger.info('Dead letters were replayed.', { count: replayedCount, total: replayedCount + unknownCount });
  return { replayedCount, unknownCount };
}

class ReplayRun {
  replayedCount = 0;
  unknownCount = 0;
  private readonly counted = Promise.withResolvers<void>();

  constructor(
    private readonly eventLog: EventLog,
    private readonly runId: string,
  ) {}

  async handle(batch: readonly ConsumedRecord[]): Promise<void> {
    // Nothing is committed before the lag was read, which therefore counts all dead letters of the beginning.
    await this.counted.promise;
    const fresh = batch.filter((record) => record.headers[DEAD_LETTER_HEADERS.replay] !== this.runId);
    const known = fresh.filter((record) => record.headers[DEAD_LETTER_HEADERS.topic] !== undefined);
    const unknown = fresh.filter((record) => record.headers[DEAD_LETTER_HEADERS.topic] === undefined);
    const back = batch.filter((record) => record.headers[DEAD_LETTER_HEADERS.replay] === this.runId);
    await this.eventLog.publish([...known.map((record) => this.originOf(record)), ...[...back, ...unknown].map((record) => this.keepForNextTime(record))]);
    this.replayedCount += known.length;
    this.unknownCount += unknown.length;
  }

  /** Done when nothing is left but what this run itself wrote: every dead letter of the beginning lies before those. */
  async untilDone(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    const expected = await this.countDeadLetters();
    while (performance.now() < deadline) {
      if (BigInt(this.replayedCount + this.unknownCount) >= expected) return;
      if ((await this.eventLog.lag(REPLAY_GROUP)) === 0n) return;
      await new Promise((resolve) => setTimeout(resolve, LAG_INTERVAL_MS));
    }
  }

  private async countDeadLetters(): Promise<bigint> {
    try {
      return await this.eventLog.lag(REPLAY_GROUP);
    } finally {
      this.counted.resolve();
    }
  }

  private originOf(record: ConsumedRecord): EventRecord {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(record.headers)) if (!name.startsWith('dead_letter_')) headers[name] = value;
    headers[DEAD_LETTER_HEADERS.replay] = this.runId;
    return { topic: record.headers[DEAD_LETTER_HEADERS.topic]!, key: record.key, value: record.value, headers };
  }

  private keepForNextTime(record: ConsumedRecord): EventRecord {
    return { topic: TOPICS.deadLetter, key: record.key, value: record.value, headers: { ...record.headers, [DEAD_LETTER_HEADERS.replay]: this.runId } };
  }
}
