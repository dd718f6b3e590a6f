import { worker } from '@switchyard/proto';
import type { CallTrace } from '@switchyard/telemetry';
import type { AttemptHandle, AttemptListener, AttemptTransport } from './attempt-transport.js';

/** An attempt that has no session yet: it gets one, or ends with `gateway_unavailable`. */
export class WaitingStart implements AttemptHandle {
  private handle: AttemptHandle | undefined;
  private grantedBytes = 0;
  private isOver = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly startFrame: worker.StartFrame,
    private readonly listener: AttemptListener,
    private readonly onSettled: () => void,
  ) {}

  get session(): CallTrace | undefined {
    return this.handle?.session;
  }

  startOn(transport: AttemptTransport): void {
    this.settle();
    this.handle = transport.start(this.startFrame, this.listener);
    this.handle.grant(this.grantedBytes);
  }

  refuse(message: string): void {
    this.endWith(worker.AttemptEnd.FAILED, 'gateway_unavailable', message);
  }

  refuseAfter(delayMs: number, message: string): void {
    this.timer = setTimeout(() => this.refuse(message), delayMs);
  }

  grant(bytes: number): void {
    if (this.handle !== undefined) this.handle.grant(bytes);
    else this.grantedBytes += bytes;
  }

  cancel(reason: string): void {
    if (this.handle !== undefined) this.handle.cancel(reason);
    else this.endWith(worker.AttemptEnd.CANCELLED, undefined, reason);
  }

  private endWith(end: worker.AttemptEnd, errorType: string | undefined, message: string): void {
    if (this.isOver) return;
    this.settle();
    const error = errorType === undefined ? undefined : { errorType, message, metadataJson: '', retryAfterMs: 1_000n, providerCode: '', upstreamStatus: 0 };
    // Never inside `start`.
    setImmediate(() => this.listener.onEnd({ end, error, warnings: [], upstreamId: '', serviceTier: '' }));
  }

  private settle(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    this.onSettled();
  }
}
