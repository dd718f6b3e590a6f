import { loadConfig } from '@switchyard/config';
import { PrometheusMetrics, Tracing, tracingConfig, type QueuedSpan, type Span, type Tracer } from '@switchyard/telemetry';
import { captureLogger } from './capture-logger.js';
import { manualClock, seededRandom, type ManualClock } from './time-and-chance.js';

export interface RecordingTracing {
  readonly tracer: Tracer;
  readonly clock: ManualClock;
  /** Ends the tracing; all spans, in the order of their recording. */
  finished(): Promise<readonly Span[]>;
}

/** Tracing as the environment says, all of it when that says nothing, by a clock that stands still. Its spans stay here. */
export function recordingTracing(environment: Readonly<Record<string, string>> = {}): RecordingTracing {
  const spans: QueuedSpan[] = [];
  const clock = manualClock();
  const config = loadConfig(tracingConfig, environment);
  const tracing = new Tracing(
    { config, clock, random: seededRandom(1), logger: captureLogger(), metrics: new PrometheusMetrics(), version: '1', instanceId: 'i' },
    { send: async (batch) => void spans.push(...batch), close: async () => {} },
  );
  const finished = async () => {
    await tracing.close();
    return spans.map(({ span }) => span);
  };
  return { tracer: tracing.tracer('ingress'), clock, finished };
}
