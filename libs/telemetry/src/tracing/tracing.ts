import { hostname } from 'node:os';
import type { Clock, RandomSource } from '@switchyard/core';
import type { Logger } from '../logger.js';
import { counterDefinition, type MetricDefinition } from '../metric-definition.js';
import type { Metrics } from '../metrics.js';
import type { TraceContext } from '../traceparent.js';
import { openOtlpSink } from './otlp-sink.js';
import type { Span } from './span.js';
import { SpanClock } from './span-clock.js';
import { SpanQueue, type QueuedSpan, type SpanSink } from './span-queue.js';
import { newSpanId, newTraceId, chanceOf } from './trace-ids.js';
import { createTraceSampler, type TraceSampler } from './trace-sampler.js';
import { isTracingOn, type TracingConfig } from './tracing.config.js';

const TRACE_SPANS = counterDefinition({
  name: 'switchyard_trace_spans_total',
  help: 'Spans by what became of them: exported, dropped for want of room, failed; nothing where tracing is off.',
  labelNames: ['outcome'],
});

export const TRACING_METRICS: readonly MetricDefinition[] = [TRACE_SPANS];

export interface TracingOptions {
  readonly config: TracingConfig;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly version: string;
  readonly instanceId: string;
}

/** How often the wall clock is looked at again. */
const CLOCK_CHECK_MS = 10_000;
/** Content that waits for a receiver that is slow or away. */
const MAX_WAITING_CONTENT_BYTES = 32 * 1024 * 1024;
/** A gRPC receiver takes messages of 4 MiB unless it is told otherwise. */
const MAX_BATCH_CONTENT_BYTES = 2 * 1024 * 1024;
/** A stopping process waits this long for its last spans. */
const CLOSE_WITHIN_MS = 3_000;

/** What traces one process; undefined where nothing is to be traced. */
export async function startTracing(options: TracingOptions): Promise<Tracing | undefined> {
  const { config, version, instanceId } = options;
  if (!isTracingOn(config)) return undefined;
  return new Tracing(options, await openOtlpSink(config, { version, instanceId, hostName: hostname() }));
}

export class Tracing {
  readonly clock: SpanClock;
  readonly sampler: TraceSampler;
  private readonly queue: SpanQueue;
  private readonly clockCheck: NodeJS.Timeout;

  constructor(
    readonly options: TracingOptions,
    sink: SpanSink<QueuedSpan>,
  ) {
    const { config, clock } = options;
    this.clock = new SpanClock(clock);
    this.sampler = createTraceSampler(config.sampler, config.samplerRatio);
    const limits = {
      maxQueueSize: config.queueSize,
      maxBatchSize: Math.min(config.batchSize, config.queueSize),
      maxContentBytes: MAX_WAITING_CONTENT_BYTES,
      maxBatchContentBytes: MAX_BATCH_CONTENT_BYTES,
    };
    this.queue = new SpanQueue(sink, { ...limits, delayMs: config.scheduleDelayMs, exportTimeoutMs: config.exportTimeoutMs }, queueEvents(options));
    this.clockCheck = setInterval(() => this.clock.adjust(), CLOCK_CHECK_MS);
    this.clockCheck.unref();
  }

  /** One target's part. */
  tracer(target: string): Tracer {
    return new Tracer(this, target);
  }

  record(span: QueuedSpan): void {
    this.queue.add(span);
  }

  async close(): Promise<void> {
    clearInterval(this.clockCheck);
    await this.queue.close(CLOSE_WITHIN_MS);
  }
}

/** Makes one target's spans. */
export class Tracer {
  readonly config: TracingConfig;
  private readonly random: RandomSource;

  constructor(
    private readonly tracing: Tracing,
    private readonly target: string,
  ) {
    this.config = tracing.options.config;
    this.random = tracing.options.random;
  }

  /** Takes a finished span; never throws and never waits. */
  record(span: Span): void {
    this.tracing.record({ span, target: this.target });
  }

  /** Unix milliseconds with fractions, for a time of the process's monotonic clock. */
  unixMs(monotonicMs: number): number {
    return this.tracing.clock.unixMs(monotonicMs);
  }

  nowMs(): number {
    return this.tracing.clock.nowMs();
  }

  /** The id of a request's trace when it is to be recorded from its beginning; the parent's where there is one. */
  sample(parent: TraceContext | undefined): string | undefined {
    const traceId = parent?.traceId ?? newTraceId(this.random);
    return this.tracing.sampler.isSampled(parent, chanceOf(traceId)) ? traceId : undefined;
  }

  newTraceId(): string {
    return newTraceId(this.random);
  }

  /** A span's own context in a recorded trace, with the `tracestate` that the trace came with. */
  newContext(traceId: string, tracestate?: string): TraceContext {
    const spanId = newSpanId(this.random);
    return tracestate ? { traceId, spanId, isSampled: true, tracestate } : { traceId, spanId, isSampled: true };
  }

  /** The context of a span below another of the same trace. */
  childContext({ traceId, tracestate }: TraceContext): TraceContext {
    return this.newContext(traceId, tracestate);
  }
}

/** Counts, and one line in the log when exports begin to fail and when they work again. */
function queueEvents({ metrics, logger }: TracingOptions): ConstructorParameters<typeof SpanQueue>[2] {
  const spans = metrics.counter(TRACE_SPANS);
  const exported = spans.labels({ outcome: 'exported' });
  const dropped = spans.labels({ outcome: 'dropped' });
  const failed = spans.labels({ outcome: 'failed' });
  let isFailing = false;
  return {
    onDropped: (count) => dropped.increment(count),
    onExported: (count) => {
      exported.increment(count);
      if (isFailing) logger.info('Spans are exported again.');
      isFailing = false;
    },
    onFailed: (error, count) => {
      failed.increment(count);
      if (!isFailing) logger.warn('Spans could not be exported and are lost; requests go on.', { error, count });
      isFailing = true;
    },
  };
}
