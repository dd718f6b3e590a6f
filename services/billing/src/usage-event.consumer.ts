import { picoToUsdNumber } from '@switchyard/core';
import {
  consumeWithDeadLetter,
  generationCompletedOf,
  attemptCompletedOf,
  PoisonEventError,
  TOPICS,
  type ConsumedRecord,
  type EventLog,
  type Subscription,
} from '@switchyard/events';
import type { Counter, Logger, Tracer } from '@switchyard/telemetry';
import { chargeProblem, costProblem } from './core/charge-verification.js';
import { storableDocument } from './core/event-document.js';
import { recordPostings } from './posting-spans.js';
import type { PostingReport, UsageItem, UsagePosting } from './usage-posting.js';

export const CONSUMER_GROUP = 'billing';
export const CONSUMER_TOPICS: readonly string[] = [TOPICS.generationCompleted, TOPICS.attemptCompleted];

export interface UsageEventMetrics {
  readonly events: Counter;
  readonly postedUsd: Counter;
  readonly corrections: Counter;
  readonly late: Counter;
  readonly underestimated: Counter;
  readonly deadLetters: Counter;
}

export interface UsageEventConsumerOptions {
  readonly eventLog: EventLog;
  readonly posting: UsagePosting;
  readonly logger: Logger;
  readonly metrics: UsageEventMetrics;
  readonly keySpend: { add(chargesPico: ReadonlyMap<string, bigint>): void };
  readonly maxBatchSize: number;
  /** Undefined where nothing is traced. */
  readonly tracer?: Tracer | undefined;
}

/** Posts usage events in batches. Offsets move after the commit, so that an event may come twice but never be lost. */
export class UsageEventConsumer {
  private subscription: Subscription | undefined;

  constructor(private readonly options: UsageEventConsumerOptions) {}

  async start(): Promise<void> {
    const { eventLog, logger, maxBatchSize, metrics } = this.options;
    this.subscription = await consumeWithDeadLetter({
      eventLog,
      group: CONSUMER_GROUP,
      topics: CONSUMER_TOPICS,
      maxBatchSize,
      tracing: 'parent',
      logger,
      parse: parseUsageEvent,
      handler: (batch) => this.consume(batch.map(({ event }) => event)),
      onDeadLetter: (count) => metrics.deadLetters.increment(count),
    });
  }

  async stop(): Promise<void> {
    await this.subscription?.close();
    this.subscription = undefined;
  }

  /** @throws PoisonEventError for events that do not multiply or cannot be posted; then nothing was posted. */
  async consume(batch: readonly UsageItem[]): Promise<void> {
    const rejected = new Map<string, ConsumedRecord[]>();
    for (const item of batch) {
      const problem = item.kind === 'generation' ? chargeProblem(item.event) : costProblem(item.event);
      if (problem !== undefined) rejected.set(problem, [...(rejected.get(problem) ?? []), item.record]);
    }
    const [firstRejected] = rejected;
    // One reason at a time: the rest of the batch comes again, without these.
    if (firstRejected) throw new PoisonEventError(firstRejected[1], firstRejected[0]);
    const startMs = this.options.tracer?.nowMs() ?? 0;
    this.count(await this.options.posting.post(batch));
    if (this.options.tracer) recordPostings(this.options.tracer, batch, startMs);
  }

  private count(report: PostingReport): void {
    const { metrics, keySpend, logger } = this.options;
    metrics.events.increment(report.chargeCount + report.attemptCount);
    for (const chargePico of report.keyChargesPico.values()) metrics.postedUsd.increment(picoToUsdNumber(chargePico));
    keySpend.add(report.keyChargesPico);
    if (report.correctionCount > 0) metrics.corrections.increment(report.correctionCount);
    if (report.lateCount > 0) metrics.late.increment(report.lateCount);
    if (report.underestimatedCount === 0) return;
    metrics.underestimated.increment(report.underestimatedCount);
    logger.warn('generations cost more than was reserved for them', { count: report.underestimatedCount, amountPico: report.excessPico.toString() });
  }
}

/** Unknown fields stay in the document. Throws for what is no event. */
export function parseUsageEvent(record: ConsumedRecord): UsageItem {
  const document = storableDocument(record.value);
  if (record.topic === TOPICS.attemptCompleted) return { kind: 'attempt', event: attemptCompletedOf(record), document, record };
  return { kind: 'generation', event: generationCompletedOf(record), document, record };
}
