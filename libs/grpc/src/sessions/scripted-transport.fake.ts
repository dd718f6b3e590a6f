import { worker } from '@switchyard/proto';
import type { AttemptHandle, AttemptListener, AttemptTransport } from './attempt-transport.js';

/** A worker's runner under a spec's control: attempts do what the spec tells them, and respect their window. */
export class ScriptedTransport implements AttemptTransport {
  readonly attempts = new Map<string, ScriptedAttempt>();

  start(start: worker.StartFrame, listener: AttemptListener): AttemptHandle {
    const attempt = new ScriptedAttempt(start, listener);
    this.attempts.set(start.generationId, attempt);
    return attempt;
  }

  get(generationId: string): ScriptedAttempt {
    const attempt = this.attempts.get(generationId);
    if (attempt === undefined) throw new Error(`no attempt of ${generationId} has started`);
    return attempt;
  }
}

class ScriptedAttempt implements AttemptHandle {
  windowBytes: number;
  sentBytes = 0;
  cancelReason: string | undefined;
  private source: Iterator<Uint8Array> | undefined;

  constructor(
    readonly start: worker.StartFrame,
    readonly listener: AttemptListener,
  ) {
    this.windowBytes = Number(start.initialGrantBytes);
  }

  /** Sends what the source yields as far as the window goes; the end follows the last piece. */
  produce(source: Iterable<Uint8Array>): void {
    this.source = source[Symbol.iterator]();
    this.listener.onHeaders({ upstreamStatus: 200, upstreamId: 'upstream-1' });
    this.pump();
  }

  grant(bytes: number): void {
    this.windowBytes += bytes;
    this.pump();
  }

  cancel(reason: string): void {
    if (this.cancelReason !== undefined) return;
    this.cancelReason = reason;
    this.source = undefined;
    setImmediate(() => this.end(worker.AttemptEnd.CANCELLED));
  }

  data(bytes: Uint8Array): void {
    this.windowBytes -= bytes.byteLength;
    this.sentBytes += bytes.byteLength;
    this.listener.onData(worker.DataFrame.create({ bytes, hasContent: true, outputBytes: BigInt(this.sentBytes) }));
  }

  end(end: worker.AttemptEnd): void {
    this.listener.onEnd(worker.EndFrame.create({ end, upstreamId: 'upstream-1' }));
  }

  private isPumping = false;

  private pump(): void {
    if (this.isPumping) return;
    this.isPumping = true;
    while (this.source !== undefined && this.windowBytes > 0) {
      const next = this.source.next();
      if (next.done === true) {
        this.source = undefined;
        this.end(worker.AttemptEnd.COMPLETED);
      } else {
        this.data(next.value);
      }
    }
    this.isPumping = false;
  }
}

/** Remembers what a transport reported, in order. */
export class RecordingListener implements AttemptListener {
  readonly events: string[] = [];
  readonly ends: worker.EndFrame[] = [];
  readonly pieces: Uint8Array[] = [];
  receivedBytes = 0;

  onHeaders(): void {
    this.events.push('headers');
  }

  onData(frame: worker.DataFrame): void {
    this.events.push('data');
    this.pieces.push(frame.bytes);
    this.receivedBytes += frame.bytes.byteLength;
  }

  onUsage(): void {
    this.events.push('usage');
  }

  onEnd(frame: worker.EndFrame): void {
    this.events.push('end');
    this.ends.push(frame);
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString();
  }
}
