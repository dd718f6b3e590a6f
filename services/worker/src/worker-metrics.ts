import type { worker } from '@switchyard/proto';
import { events } from '@switchyard/proto';
import type { Counter, Histogram, Metrics } from '@switchyard/telemetry';
import type { AttemptResult } from './core/attempt-report.js';

const FIRST_TOKEN_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const OUTCOME_LABELS: Readonly<Record<events.AttemptOutcome, string>> = {
  [events.AttemptOutcome.UNSPECIFIED]: 'unknown',
  [events.AttemptOutcome.COMPLETED]: 'completed',
  [events.AttemptOutcome.UPSTREAM_FAILED]: 'failed',
  [events.AttemptOutcome.CANCELLED]: 'cancelled',
  [events.AttemptOutcome.SESSION_LOST]: 'session_lost',
  [events.AttemptOutcome.UNRECOGNIZED]: 'unknown',
};

/** Counts attempts by provider and outcome, and how long they took to their first content. */
export class WorkerMetrics {
  private readonly attempts = new Map<string, Counter>();
  private readonly firstTokens = new Map<string, Histogram>();

  constructor(
    private readonly metrics: Metrics,
    runningAttempts: () => number,
    openSessions: () => number,
  ) {
    const running = metrics.gauge({ name: 'switchyard_worker_running_attempts', help: 'Attempts that run now.' }).labels();
    const sessions = metrics.gauge({ name: 'switchyard_worker_sessions', help: 'Sessions of ingresses that are open now.' }).labels();
    metrics.onScrape(() => {
      running.set(runningAttempts());
      sessions.set(openSessions());
    });
  }

  observe(start: worker.StartFrame, result: AttemptResult): void {
    const provider = start.endpoint?.providerSlug ?? '';
    this.attemptCounter(provider, OUTCOME_LABELS[result.outcome], result.error?.type ?? '').increment();
    if (result.firstTokenMs !== undefined) this.firstTokenHistogram(provider).observe(result.firstTokenMs / 1000);
  }

  private attemptCounter(provider: string, outcome: string, errorType: string): Counter {
    return remembered(this.attempts, `${provider} ${outcome} ${errorType}`, () =>
      this.metrics
        .counter({ name: 'switchyard_worker_attempts_total', help: 'Attempts that ended in this worker.', labelNames: ['provider', 'outcome', 'error_type'] })
        .labels({ provider, outcome, error_type: errorType }),
    );
  }

  private firstTokenHistogram(provider: string): Histogram {
    return remembered(this.firstTokens, provider, () =>
      this.metrics
        .histogram({
          name: 'switchyard_attempt_first_token_seconds',
          help: 'From the start of an attempt to its first content.',
          labelNames: ['provider'],
          buckets: FIRST_TOKEN_BUCKETS,
        })
        .labels({ provider }),
    );
  }
}

function remembered<Value>(known: Map<string, Value>, key: string, create: () => Value): Value {
  let value = known.get(key);
  if (value === undefined) {
    value = create();
    known.set(key, value);
  }
  return value;
}
