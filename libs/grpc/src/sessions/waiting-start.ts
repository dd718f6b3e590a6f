import type { ErrorType } from '@switchyard/errors';
import { worker } from '@switchyard/proto';
import type { CallTrace } from '@switchyard/telemetry';
import type { AttemptHandle, AttemptListener, AttemptTransport } from './attempt-transport.js';

/** An attempt that has no session yet: it gets one, or ends with `gateway_unavailable`, or `payload_too_large` where none would take it. */
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
    this.failWith({ errorType: 'gateway_unavailable', message, retryAfterMs: 1_000n });
  }

  refuseAsTooLarge(maxBytes: number): void {
    this.failWith({ errorType: 'payload_too_large', message: `The request body is larger than what a worker takes (${maxBytes} bytes).` });
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
    else this.endWith(worker.EndFrame.create({ end: worker.AttemptEnd.CANCELLED }));
  }

  private failWith(error: { readonly errorType: ErrorType; readonly message: string; readonly retryAfterMs?: bigint }): void {
    this.endWith(worker.EndFrame.create({ end: worker.AttemptEnd.FAILED, error }));
  }

  private endWith(frame: worker.EndFrame): void {
    if (this.isOver) return;
    this.settle();
    // Never inside `start`.
    setImmediate(() => this.listener.onEnd(frame));
  }

  private settle(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    this.onSettled();
  }
}
