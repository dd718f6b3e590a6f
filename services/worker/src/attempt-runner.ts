import { BriefMap, type Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { AttemptHandle, AttemptListener, AttemptTransport } from '@switchyard/grpc';
import { errorDetail, worker } from '@switchyard/proto';
import { Attempt, type AttemptDependencies } from './attempt.js';

export interface AttemptRunnerOptions {
  readonly maxConcurrentAttempts: number;
  /** Of all attempts that run. Each keeps its client's body, and of a stream as much again for its provider. */
  readonly maxHeldBodyBytes: number;
}

/** Runs attempts in this process. The worker's sessions and an ingress in the same process both start them here. */
export class AttemptRunner implements AttemptTransport {
  private readonly attempts = new BriefMap<number, Attempt>();
  private startCount = 0;
  private heldBodyBytes = 0;
  private idleWaiters: (() => void)[] = [];

  constructor(
    private readonly dependencies: AttemptDependencies,
    private readonly options: AttemptRunnerOptions,
  ) {}

  start(start: worker.StartFrame, listener: AttemptListener): AttemptHandle {
    const { maxConcurrentAttempts, maxHeldBodyBytes } = this.options;
    const bodyBytes = start.body.byteLength;
    if (this.attempts.size >= maxConcurrentAttempts) return refuse(listener, 'This worker is at its limit of concurrent attempts.');
    if (this.heldBodyBytes > 0 && this.heldBodyBytes + bodyBytes > maxHeldBodyBytes)
      return refuse(listener, 'This worker holds as many bytes of requests as it may; try again shortly.');
    const number = ++this.startCount;
    const attempt = new Attempt(start, listener, this.dependencies, () => this.forget(number, bodyBytes));
    this.attempts.set(number, attempt);
    this.heldBodyBytes += bodyBytes;
    attempt.run().catch((error: unknown) => this.dependencies.onUnexpected(start, error));
    return attempt;
  }

  get runningCount(): number {
    return this.attempts.size;
  }

  /** Resolves when no attempt runs, or after the time. */
  async idle(withinMs: number, clock: Clock): Promise<void> {
    const deadlineMs = clock.monotonicMs() + withinMs;
    while (this.attempts.size > 0 && clock.monotonicMs() < deadlineMs) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadlineMs - clock.monotonicMs());
        this.idleWaiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Cancels what runs. */
  cancelAll(reason: string): void {
    for (const attempt of this.attempts.values()) attempt.cancel(reason);
  }

  private forget(number: number, bodyBytes: number): void {
    this.attempts.delete(number);
    this.heldBodyBytes -= bodyBytes;
    if (this.attempts.size > 0) return;
    for (const wake of this.idleWaiters.splice(0)) wake();
  }
}

/** Too much at once is no fault of the provider: another worker, or the same a moment later, will do. */
function refuse(listener: AttemptListener, message: string): AttemptHandle {
  const error = new SwitchyardError('gateway_unavailable', message, { retryAfterMs: 1_000 });
  setImmediate(() => listener.onEnd(worker.EndFrame.create({ end: worker.AttemptEnd.FAILED, error: errorDetail(error) })));
  return { grant: () => undefined, cancel: () => undefined };
}
