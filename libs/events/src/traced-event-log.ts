import {
  FailureRuns,
  formatTraceparent,
  leftOutAttributes,
  MESSAGING,
  parseTraceparent,
  parseTracestate,
  type SpanAttributes,
  type TraceContext,
  type Tracer,
} from '@switchyard/telemetry';
import type { ConsumedRecord, EventLog, EventRecord, PartitionProgress, SubscribeOptions, Subscription } from './event-log.js';
import { KafkaEventLog } from './kafka/kafka-event-log.js';
import { TOPICS } from './topics.js';

const TRACEPARENT = 'traceparent';
const TRACESTATE = 'tracestate';
/** Links of one span; a batch may hold more. */
const MAX_LINKS = 128;

/** The log as it is where nothing is traced; else one that makes the spans of what it sends and delivers. */
export function traceEventLog(log: EventLog, tracer: Tracer | undefined): EventLog {
  return tracer ? new TracedEventLog(log, tracer) : log;
}

/** The context that a record carries, its `tracestate` included, when its trace is recorded. */
export function tracedContextOf(record: EventRecord): TraceContext | undefined {
  const header = record.headers[TRACEPARENT];
  // The last digit holds the flag; nearly all records end here.
  if (header === undefined || header.endsWith('0')) return undefined;
  const context = parseTraceparent(header);
  if (!context?.isSampled) return undefined;
  const tracestate = parseTracestate(record.headers[TRACESTATE]);
  return tracestate === '' ? context : { ...context, tracestate };
}

/**
 * Follows the end of each generation, which is what money hangs on: a PRODUCER span for its sending, whose context the record then carries, and a
 * CONSUMER span for its handling. Provider costs travel the same way and are not followed, so that a trace shows one path. What fails is tried again for
 * as long as an outage lasts: few of those tries are recorded.
 */
class TracedEventLog implements EventLog {
  private readonly system: string;
  private readonly failures = new FailureRuns();

  constructor(
    private readonly log: EventLog,
    private readonly tracer: Tracer,
  ) {
    this.system = log instanceof KafkaEventLog ? 'kafka' : 'postgresql';
  }

  async publish(records: readonly EventRecord[]): Promise<void> {
    const sendings = records.map((record) => this.sendingOf(record));
    if (!sendings.some((sending) => sending !== undefined)) return this.log.publish(records);
    const traced = records.map((record, index) => withContext(record, sendings[index]?.context));
    const startMs = this.tracer.nowMs();
    try {
      await this.log.publish(traced);
    } catch (error) {
      this.recordSendings(sendings, records, startMs, errorTypeOf(error));
      throw error;
    }
    this.recordSendings(sendings, records, startMs, undefined);
  }

  subscribe(options: SubscribeOptions): Promise<Subscription> {
    const handler = options.tracing === 'parent' ? this.handleEach(options) : this.handleLinked(options);
    return this.log.subscribe({ ...options, handler });
  }

  lag(group: string): Promise<bigint> {
    return this.log.lag(group);
  }

  progress(group: string, topics: readonly string[]): Promise<readonly PartitionProgress[]> {
    return this.log.progress(group, topics);
  }

  keptSinceMs(topics: readonly string[]): Promise<number> {
    return this.log.keptSinceMs(topics);
  }

  forgetGroup(group: string): Promise<void> {
    return this.log.forgetGroup(group);
  }

  close(): Promise<void> {
    return this.log.close();
  }

  private sendingOf(record: EventRecord): { readonly context: TraceContext; readonly parent: TraceContext } | undefined {
    const parent = followedContextOf(record);
    return parent && { parent, context: this.tracer.childContext(parent) };
  }

  private recordSendings(
    sendings: readonly ({ readonly context: TraceContext; readonly parent: TraceContext } | undefined)[],
    records: readonly EventRecord[],
    startMs: number,
    errorType: string | undefined,
  ): void {
    const endMs = this.tracer.nowMs();
    const leftOut = this.leftOutBefore('send', errorType, endMs);
    if (leftOut === undefined) return;
    for (const [index, sending] of sendings.entries()) {
      if (!sending) continue;
      const { context, parent } = sending;
      const attributes = { ...this.attributes('send', records[index]!), ...leftOutAttributes(leftOut) };
      this.tracer.record({
        name: `send ${records[index]!.topic}`,
        kind: 'producer',
        context,
        parentSpanId: parent.spanId,
        startMs,
        endMs,
        attributes,
        links: [parent],
        errorType,
      });
    }
  }

  /** One span for each record, below the record's own: for handlers whose effect belongs to the request. What the handler gets carries the span's context. */
  private handleEach(options: SubscribeOptions): SubscribeOptions['handler'] {
    return async (batch) => {
      const parents = batch.map(followedContextOf);
      if (!parents.some((parent) => parent !== undefined)) return options.handler(batch);
      const contexts = parents.map((parent) => parent && this.tracer.childContext(parent));
      const startMs = this.tracer.nowMs();
      const finish = (errorType: string | undefined) => {
        const endMs = this.tracer.nowMs();
        const leftOut = this.leftOutBefore(options.group, errorType, endMs);
        if (leftOut === undefined) return;
        for (const [index, context] of contexts.entries()) {
          if (!context) continue;
          const parent = parents[index]!;
          const attributes = {
            ...this.attributes('process', batch[index]!),
            ...this.consumerAttributes(batch[index]!, options.group),
            ...leftOutAttributes(leftOut),
          };
          const name = `process ${batch[index]!.topic}`;
          this.tracer.record({ name, kind: 'consumer', context, parentSpanId: parent.spanId, startMs, endMs, attributes, links: [parent], errorType });
        }
      };
      await handled(() => options.handler(batch.map((record, index) => withContext(record, contexts[index]))), finish);
    };
  }

  /** One span for the batch, a trace of its own that is linked to those of its records. */
  private handleLinked(options: SubscribeOptions): SubscribeOptions['handler'] {
    return async (batch) => {
      const links = batch.flatMap((record) => followedContextOf(record) ?? []).slice(0, MAX_LINKS);
      if (links.length === 0) return options.handler(batch);
      const startMs = this.tracer.nowMs();
      await handled(
        () => options.handler(batch),
        (errorType) => {
          const endMs = this.tracer.nowMs();
          const leftOut = this.leftOutBefore(options.group, errorType, endMs);
          if (leftOut === undefined) return;
          const attributes = {
            [MESSAGING.system]: this.system,
            [MESSAGING.operationName]: 'process',
            [MESSAGING.operationType]: 'process',
            [MESSAGING.destination]: TOPICS.generationCompleted,
            [MESSAGING.consumerGroup]: options.group,
            [MESSAGING.batchSize]: batch.length,
            ...leftOutAttributes(leftOut),
          };
          this.tracer.record({
            name: `process ${TOPICS.generationCompleted}`,
            kind: 'consumer',
            context: this.tracer.newContext(this.tracer.newTraceId()),
            parentSpanId: undefined,
            startMs,
            endMs,
            attributes,
            links,
            errorType,
            // Links may bring as much text as content does.
            contentBytes: links.reduce((sumBytes, { tracestate = '' }) => sumBytes + tracestate.length, 0),
          });
        },
      );
    };
  }

  /** Batches whose tries failed and were left out before this one; undefined for a failure that is left out itself. `work`: sending, or a group's handling. */
  private leftOutBefore(work: string, errorType: string | undefined, nowMs: number): number | undefined {
    return errorType === undefined ? this.failures.succeeded(work) : this.failures.failed(work, errorType, nowMs);
  }

  private attributes(operation: 'send' | 'process', record: EventRecord): SpanAttributes {
    return {
      [MESSAGING.system]: this.system,
      [MESSAGING.operationName]: operation,
      [MESSAGING.operationType]: operation,
      [MESSAGING.destination]: record.topic,
      [MESSAGING.messageId]: record.headers['ce_id'],
      [MESSAGING.messageKey]: this.system === 'kafka' ? record.key : undefined,
    };
  }

  private consumerAttributes(record: ConsumedRecord, group: string): SpanAttributes {
    return {
      [MESSAGING.partition]: String(record.partition),
      [MESSAGING.offset]: this.system === 'kafka' ? Number(record.offset) : undefined,
      [MESSAGING.consumerGroup]: group,
    };
  }
}

function followedContextOf(record: EventRecord): TraceContext | undefined {
  return record.topic === TOPICS.generationCompleted ? tracedContextOf(record) : undefined;
}

/** Its `tracestate` stays as it is: the same for every span of a trace. */
function withContext<Record extends EventRecord>(record: Record, context: TraceContext | undefined): Record {
  return context ? { ...record, headers: { ...record.headers, [TRACEPARENT]: formatTraceparent(context) } } : record;
}

async function handled(handle: () => Promise<void>, finish: (errorType: string | undefined) => void): Promise<void> {
  try {
    await handle();
  } catch (error) {
    finish(errorTypeOf(error));
    throw error;
  }
  finish(undefined);
}

function errorTypeOf(error: unknown): string {
  const { type } = error as { readonly type?: unknown };
  return typeof type === 'string' && /^[A-Za-z_]{1,64}$/.test(type) ? type : error instanceof Error ? error.name : '_OTHER';
}
