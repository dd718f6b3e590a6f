import type { Clock } from '@switchyard/core';
import { gaugeDefinition, type Gauge, type Logger, type MetricDefinition, type Metrics } from '@switchyard/telemetry';
import type { EventLog, PartitionProgress } from './event-log.js';
import { LagHistory } from './lag-history.js';

export interface ConsumerLagOptions {
  readonly eventLog: Pick<EventLog, 'progress'>;
  readonly group: string;
  readonly topics: readonly string[];
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 5 000. */
  readonly intervalMs?: number;
}

const RECORDS = gaugeDefinition({
  name: 'switchyard_consumer_lag_records',
  help: 'Events that a consumer group has not handled yet.',
  labelNames: ['group', 'topic'],
});
const SECONDS = gaugeDefinition({
  name: 'switchyard_consumer_lag_seconds',
  help: 'About how long the oldest event that a consumer group has not handled yet has been waiting.',
  unit: 'seconds',
  labelNames: ['group', 'topic'],
});
const MEASURED = gaugeDefinition({
  name: 'switchyard_consumer_lag_measured',
  help: '1 while the lag of a consumer group can be measured; otherwise its figures are old.',
  labelNames: ['group'],
});

export const CONSUMER_LAG_METRICS: readonly MetricDefinition[] = [RECORDS, SECONDS, MEASURED];

const INTERVAL_MS = 5_000;
/** An hour of samples. */
const MAX_SAMPLES = 720;

/** Keeps two gauges by group and topic: how many records wait, and for how long the oldest of them has been waiting. */
export class ConsumerLagWatch {
  private readonly history = new LagHistory(MAX_SAMPLES);
  private readonly records;
  private readonly seconds;
  private readonly measured: Gauge;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isFailing = false;
  private isStopped = false;

  constructor(private readonly options: ConsumerLagOptions) {
    const { metrics, group, topics } = options;
    const records = metrics.gauge(RECORDS);
    const seconds = metrics.gauge(SECONDS);
    this.measured = metrics.gauge(MEASURED).labels({ group });
    this.records = gaugesOf(topics, (topic) => records.labels({ group, topic }));
    this.seconds = gaugesOf(topics, (topic) => seconds.labels({ group, topic }));
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), this.options.intervalMs ?? INTERVAL_MS);
    this.timer.unref();
    this.tick();
  }

  /** A measurement under way is not waited for: the log may be away. */
  stop(): void {
    clearInterval(this.timer);
    this.isStopped = true;
  }

  async measure(): Promise<void> {
    const { eventLog, group, topics, clock } = this.options;
    const progress = await eventLog.progress(group, topics);
    const nowMs = clock.monotonicMs();
    this.history.add(progress, nowMs);
    for (const topic of topics) {
      const own = progress.filter((each) => each.topic === topic);
      this.records.get(topic)!.set(Number(own.reduce(sumLag, 0n)));
      this.seconds.get(topic)!.set(Math.max(0, ...own.map((each) => this.history.waitingMs(each, nowMs))) / 1_000);
    }
  }

  private tick(): void {
    this.running ??= this.tryToMeasure().finally(() => (this.running = undefined));
  }

  private async tryToMeasure(): Promise<void> {
    try {
      await this.measure();
      this.isFailing = false;
      this.measured.set(1);
    } catch (error) {
      // Once per outage; the gauges stay as they were.
      if (!this.isFailing && !this.isStopped) this.options.logger.warn('The lag of a consumer group is not known.', { error, group: this.options.group });
      this.isFailing = true;
      this.measured.set(0);
    }
  }
}

function gaugesOf(topics: readonly string[], gaugeOf: (topic: string) => Gauge): ReadonlyMap<string, Gauge> {
  return new Map(topics.map((topic) => [topic, gaugeOf(topic)]));
}

function sumLag(sum: bigint, { nextOffset, endOffset }: PartitionProgress): bigint {
  return sum + endOffset - nextOffset;
}
