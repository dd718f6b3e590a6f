import type { Consumer, EachBatchPayload, IHeaders, Kafka, KafkaMessage } from 'kafkajs';
import type { Logger } from '@switchyard/telemetry';
import { Backoff, endWithin, pauseFor } from '../backoff.js';
import type { ConsumedRecord, SubscribeOptions, Subscription } from '../event-log.js';
import { GatheredFetch } from './gathered-fetch.js';

export interface KafkaSubscriptionOptions {
  readonly client: Kafka;
  readonly subscribe: SubscribeOptions;
  readonly topicPrefix: string;
  readonly logger: Logger;
  /** Makes sure that the topics exist and the group coordinator answers. */
  prepare(signal: AbortSignal): Promise<void>;
}

const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 2_000;
const REBALANCE_TIMEOUT_MS = 60_000;
/** The broker gathers records for this long before it answers, unless there is plenty earlier: many small fetches cost a busy consumer more than its work. */
const FETCH_WAIT_MS = 250;
const PLENTY_BYTES = 512 * 1024;
/** Partitions whose records of one fetch are handled together. */
const GATHERED_PARTITIONS = 64;
const WATCH_INTERVAL_MS = 1_000;
/** Even empty fetches are answered, so a silence of many of them means that the consumer hangs. */
const SILENCE_LIMIT_MS = 60_000;
const START_WITHIN_MS = 15_000;
/** What a handler does not finish until then is rolled back, and delivered to another. */
const DISCONNECT_WITHIN_MS = 10_000;
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
        await this.unlessClosing(this.options.prepare(this.closing.signal));
        if (!this.closing.signal.aborted) await this.runOnce(() => backoff.reset());
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
    }, WATCH_INTERVAL_MS);
    const onAbort = (): void => ended.resolve();
    this.closing.signal.addEventListener('abort', onAbort);
    this.listen(consumer, onJoined, ended.reject);
    ended.promise.catch(() => undefined);
    try {
      await this.unlessClosing(this.begin(consumer));
      await ended.promise;
    } finally {
      clearInterval(watchdog);
      this.closing.signal.removeEventListener('abort', onAbort);
      await disconnect(consumer);
    }
  }

  private async begin(consumer: Consumer): Promise<void> {
    await consumer.connect();
    await consumer.subscribe({ topics: this.options.subscribe.topics.map((topic) => this.options.topicPrefix + topic), fromBeginning: true });
    const fetch = new GatheredFetch((payloads) => this.handleFetched(payloads));
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: GATHERED_PARTITIONS,
      eachBatch: (payload) => fetch.take(payload),
    });
  }

  /** The work's end, or that of the subscription: a broker that swallows requests keeps kafkajs trying for minutes. */
  private async unlessClosing(work: Promise<void>): Promise<void> {
    const closed = Promise.withResolvers<void>();
    const onAbort = (): void => closed.resolve();
    if (this.closing.signal.aborted) onAbort();
    this.closing.signal.addEventListener('abort', onAbort);
    work.catch(() => undefined);
    try {
      await Promise.race([work, closed.promise]);
    } finally {
      this.closing.signal.removeEventListener('abort', onAbort);
    }
  }

  private newConsumer(): Consumer {
    this.lastSignOfLifeMs = performance.now();
    return this.options.client.consumer({
      groupId: this.options.topicPrefix + this.options.subscribe.group,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      minBytes: PLENTY_BYTES,
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

  private async handleFetched(payloads: readonly EachBatchPayload[]): Promise<void> {
    const records: FetchedRecord[] = [];
    const shares: EachBatchPayload[] = [];
    for (const payload of payloads) {
      const topic = payload.batch.topic.slice(this.options.topicPrefix.length);
      for (const message of payload.batch.messages) {
        records.push(new FetchedRecord(topic, payload.batch.partition, message));
        shares.push(payload);
      }
    }
    const { maxBatchSize } = this.options.subscribe;
    for (let start = 0; start < records.length; start += maxBatchSize) {
      if (!this.mayGoOn(payloads)) return;
      const portion = records.slice(start, start + maxBatchSize);
      if (!(await this.deliver(portion, payloads))) return;
      await commit(new Map(portion.map(({ offset }, index) => [shares[start + index]!, offset])));
    }
  }

  private mayGoOn(payloads: readonly EachBatchPayload[]): boolean {
    return !this.closing.signal.aborted && payloads.every((payload) => payload.isRunning() && !payload.isStale());
  }

  /** Calls the handler until it takes the records. False when the partitions are to be given up first; a rebalance is thrown, as kafkajs wants it. */
  private async deliver(records: ConsumedRecord[], payloads: readonly EachBatchPayload[]): Promise<boolean> {
    const backoff = new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS);
    for (;;) {
      const heart = new Heart(payloads[0]!);
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
      if (!this.mayGoOn(payloads)) return false;
    }
  }
}

/** A message as handlers get it. Its headers are read when they are asked for. */
class FetchedRecord implements ConsumedRecord {
  readonly offset: bigint;
  readonly timeMs: number;
  readonly key: string;
  readonly value: string;
  private texts: Readonly<Record<string, string>> | undefined;

  constructor(
    readonly topic: string,
    readonly partition: number,
    private readonly fetched: KafkaMessage,
  ) {
    this.offset = BigInt(fetched.offset);
    this.timeMs = Number(fetched.timestamp);
    this.key = fetched.key?.toString() ?? '';
    this.value = fetched.value?.toString() ?? '';
  }

  get headers(): Readonly<Record<string, string>> {
    return (this.texts ??= textHeaders(this.fetched.headers));
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

/** One request for all partitions, each with the last offset that was handled. */
async function commit(handled: ReadonlyMap<EachBatchPayload, bigint>): Promise<void> {
  const topics = new Map<string, { partition: number; offset: string }[]>();
  for (const [payload, offset] of handled) {
    const { topic, partition } = payload.batch;
    payload.resolveOffset(String(offset));
    const partitions = topics.get(topic) ?? [];
    partitions.push({ partition, offset: String(offset + 1n) });
    topics.set(topic, partitions);
  }
  const [anyPayload] = handled.keys();
  await anyPayload!.commitOffsetsIfNecessary({ topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) });
  await anyPayload!.heartbeat();
}

function disconnect(consumer: Consumer): Promise<void> {
  return endWithin(
    consumer.disconnect().catch(() => undefined),
    DISCONNECT_WITHIN_MS,
  );
}

function textHeaders(headers: IHeaders | undefined): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) texts[name] = first.toString();
  }
  return texts;
}
