import type { Consumer, EachBatchPayload, IHeaders, Kafka, KafkaMessage } from 'kafkajs';
import type { Logger } from '@switchyard/telemetry';
import { Backoff, pauseFor } from '../backoff.js';
import type { ConsumedRecord, SubscribeOptions, Subscription } from '../event-log.js';

export interface KafkaSubscriptionOptions {
  readonly client: Kafka;
  readonly subscribe: SubscribeOptions;
  readonly topicPrefix: string;
  readonly logger: Logger;
  /** Makes sure that the topics exist and the group coordinator answers. */
  prepare(): Promise<void>;
}

const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 2_000;
const REBALANCE_TIMEOUT_MS = 60_000;
/** The broker answers an empty fetch after this time, so a silence of many of these means that the consumer hangs. */
const FETCH_WAIT_MS = 1_000;
const SILENCE_LIMIT_MS = 60_000;
const START_WITHIN_MS = 15_000;
const DISCONNECT_WITHIN_MS = 30_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

/** One consumer that is replaced whenever it crashes, loses the broker or falls silent, until it is closed. */
export class KafkaSubscription implements Subscription {
  private readonly closing = new AbortController();
  private readonly joined = Promise.withResolvers<void>();
  private finished: Promise<void> = Promise.resolve();
  private lastSignOfLifeMs = 0;

  constructor(private readonly options: KafkaSubscriptionOptions) {}

  /** Resolves when the consumer has joined its group; also, with a warning, when the broker is away for longer: consuming then begins when it is back. */
  async start(): Promise<void> {
    this.finished = this.runForEver();
    const patience = new AbortController();
    const isLate = pauseFor(START_WITHIN_MS, patience.signal).then(() => true);
    const wasLate = await Promise.race([this.joined.promise.then(() => false), isLate]);
    patience.abort();
    if (wasLate) this.options.logger.warn('Kafka does not answer; consuming begins when it does.', { group: this.options.subscribe.group });
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.finished;
  }

  private async runForEver(): Promise<void> {
    const backoff = new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS);
    while (!this.closing.signal.aborted) {
      try {
        await this.options.prepare();
        await this.runOnce(() => backoff.reset());
      } catch (error) {
        if (!this.closing.signal.aborted) this.options.logger.warn('A Kafka consumer failed and is replaced.', { error, group: this.options.subscribe.group });
      }
      if (!this.closing.signal.aborted) await backoff.pause(this.closing.signal);
    }
  }

  private async runOnce(onJoined: () => void): Promise<void> {
    const consumer = this.newConsumer();
    const ended = Promise.withResolvers<void>();
    const watchdog = setInterval(() => {
      if (performance.now() - this.lastSignOfLifeMs > SILENCE_LIMIT_MS) ended.reject(new Error('The consumer fell silent.'));
    }, FETCH_WAIT_MS);
    const onAbort = (): void => ended.resolve();
    this.closing.signal.addEventListener('abort', onAbort);
    this.listen(consumer, onJoined, ended.reject);
    ended.promise.catch(() => undefined);
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: this.options.subscribe.topics.map((topic) => this.options.topicPrefix + topic), fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: (payload) => this.handleFetched(payload) });
      await ended.promise;
    } finally {
      clearInterval(watchdog);
      this.closing.signal.removeEventListener('abort', onAbort);
      await disconnect(consumer);
    }
  }

  private newConsumer(): Consumer {
    this.lastSignOfLifeMs = performance.now();
    return this.options.client.consumer({
      groupId: this.options.subscribe.group,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      allowAutoTopicCreation: false,
      // Crashes end here: kafkajs's own restart stops for ever when the broker is away at the wrong moment.
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3, restartOnFailure: async () => false },
    });
  }

  private listen(consumer: Consumer, onJoined: () => void, onCrash: (error: Error) => void): void {
    const { GROUP_JOIN, HEARTBEAT, FETCH, CRASH } = consumer.events;
    const live = (): void => {
      this.lastSignOfLifeMs = performance.now();
    };
    consumer.on(HEARTBEAT, live);
    consumer.on(FETCH, live);
    consumer.on(GROUP_JOIN, () => {
      live();
      onJoined();
      this.joined.resolve();
    });
    consumer.on(CRASH, ({ payload }) => onCrash(payload.error));
  }

  private async handleFetched(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const { maxBatchSize } = this.options.subscribe;
    for (let start = 0; start < batch.messages.length; start += maxBatchSize) {
      if (!payload.isRunning() || payload.isStale() || this.closing.signal.aborted) return;
      const messages = batch.messages.slice(start, start + maxBatchSize);
      const isHandled = await this.deliver(
        messages.map((message) => this.recordOf(batch, message)),
        payload,
      );
      if (!isHandled) return;
      const last = messages.at(-1)!;
      const next = BigInt(last.offset) + 1n;
      payload.resolveOffset(last.offset);
      await payload.commitOffsetsIfNecessary({ topics: [{ topic: batch.topic, partitions: [{ partition: batch.partition, offset: String(next) }] }] });
      await payload.heartbeat();
    }
  }

  /** Calls the handler until it takes the records. False when the partition is to be given up first; a rebalance is thrown, as kafkajs wants it. */
  private async deliver(records: ConsumedRecord[], payload: EachBatchPayload): Promise<boolean> {
    const backoff = new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS);
    for (;;) {
      const heart = new Heart(payload);
      try {
        await this.options.subscribe.handler([...records]);
        return true;
      } catch (error) {
        this.options.logger.error('A batch of events was not handled and is delivered again.', {
          error,
          group: this.options.subscribe.group,
          count: records.length,
          attempt: backoff.failureCount + 1,
        });
        await backoff.pause(this.closing.signal);
      } finally {
        heart.stop();
      }
      heart.requireMembership();
      if (!payload.isRunning() || payload.isStale() || this.closing.signal.aborted) return false;
    }
  }

  private recordOf(batch: EachBatchPayload['batch'], message: KafkaMessage): ConsumedRecord {
    return {
      topic: batch.topic.slice(this.options.topicPrefix.length),
      partition: batch.partition,
      offset: BigInt(message.offset),
      timeMs: Number(message.timestamp),
      key: message.key?.toString() ?? '',
      value: message.value?.toString() ?? '',
      headers: textHeaders(message.headers),
    };
  }
}

/** Keeps the membership while a handler works for longer than the session may be silent. */
class Heart {
  private readonly timer: NodeJS.Timeout;
  private failure: Error | undefined;

  constructor(payload: EachBatchPayload) {
    this.timer = setInterval(() => {
      payload.heartbeat().catch((error: Error) => {
        this.failure ??= error;
      });
    }, HEARTBEAT_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  requireMembership(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

async function disconnect(consumer: Consumer): Promise<void> {
  const patience = new AbortController();
  await Promise.race([consumer.disconnect().catch(() => undefined), pauseFor(DISCONNECT_WITHIN_MS, patience.signal)]);
  patience.abort();
}

function textHeaders(headers: IHeaders | undefined): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) texts[name] = first.toString();
  }
  return texts;
}
