import type { Clock } from '@switchyard/core';
import type { Logger } from '@switchyard/telemetry';
import type { AttemptRecord, Generation } from './core/generation.js';
import { logFieldsOf } from './request-trace.js';

/** Lines per second; in an outage every request fails, and thousands of lines say no more than some. */
const MAX_LINES = 10;
const WINDOW_MS = 1_000;

/** One line for each generation that failed, with the ids that lead to its trace, its record and its provider. */
export class FailureLog {
  private windowStartMs = Number.NEGATIVE_INFINITY;
  private lineCount = 0;
  private droppedCount = 0;

  constructor(
    private readonly logger: Logger,
    private readonly clock: Clock,
  ) {}

  add(generation: Generation, attempt: AttemptRecord): void {
    if (!this.hasRoom()) {
      this.droppedCount++;
      return;
    }
    const { endpoint, publicModel } = attempt.candidate;
    this.logger.warn('A generation failed', {
      generationId: generation.id,
      requestId: generation.request.attribution.requestId || undefined,
      ...logFieldsOf(generation.trace),
      accountId: generation.key.accountId,
      model: publicModel,
      providerSlug: endpoint.providerSlug,
      endpointId: endpoint.endpointId,
      errorType: attempt.error?.errorType ?? attempt.end,
      upstreamStatus: attempt.upstreamStatus || undefined,
      attempt: generation.attempts.length,
      durationMs: Math.round(this.clock.monotonicMs() - generation.startedAtMs),
      droppedCount: this.droppedCount || undefined,
    });
    this.droppedCount = 0;
  }

  private hasRoom(): boolean {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.windowStartMs >= WINDOW_MS) {
      this.windowStartMs = nowMs;
      this.lineCount = 0;
    }
    return ++this.lineCount <= MAX_LINES;
  }
}
