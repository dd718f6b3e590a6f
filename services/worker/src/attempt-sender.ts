import type { StreamProgress } from '@switchyard/dialects/provider';
import type { SwitchyardError } from '@switchyard/errors';
import type { AttemptListener } from '@switchyard/grpc';
import { errorDetail, worker } from '@switchyard/proto';
import type { AttemptNotes } from './attempt-notes.js';
import type { ContentCapture } from './content-capture.js';
import { countsOf } from './core/attempt-report.js';
import { plainWord } from './core/plain-word.js';
import { ownBytes, passingBytes } from './passing-bytes.js';

/**
 * What an attempt tells its listener, frame by frame, and how many bytes of data it may still send. One frame may overdraw this window,
 * so that a large event never gets stuck.
 */
export class AttemptSender {
  private waiter: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  private abortError: Error | undefined;
  private isWaiting = false;

  constructor(
    private readonly listener: AttemptListener,
    private readonly notes: AttemptNotes,
    private readonly capture: ContentCapture | undefined,
    private roomBytes: number,
  ) {}

  get bytesLeft(): number {
    return this.roomBytes;
  }

  get hasRoom(): boolean {
    return this.roomBytes > 0;
  }

  /** It waits for the client, or was aborted while it did. */
  get isPaused(): boolean {
    return this.isWaiting;
  }

  grant(bytes: number): void {
    this.roomBytes += bytes;
    if (this.roomBytes <= 0) return;
    this.waiter?.resolve();
    this.waiter = undefined;
  }

  /** Resolves once the client granted more; ask only without room. @throws what `abort` was given. */
  async room(): Promise<void> {
    this.isWaiting = true;
    if (this.abortError !== undefined) throw this.abortError;
    await new Promise<void>((resolve, reject) => {
      this.waiter = { resolve, reject };
    });
    this.isWaiting = false;
  }

  /** Ends all waiting for room; the first error counts. */
  abort(error: Error): void {
    this.abortError ??= error;
    this.waiter?.reject(this.abortError);
    this.waiter = undefined;
  }

  /** What the client asked to see beside the answer: outside of the window. */
  sendDebugChunk(chunk: string): void {
    this.listener.onData(worker.DataFrame.create({ bytes: Buffer.from(chunk), isDebug: true }));
  }

  sendHeaders(): void {
    const { upstreamStatus, upstreamId } = this.notes;
    this.listener.onHeaders({ upstreamStatus, upstreamId });
  }

  /** The events of one step of a stream, if it has any or its finish reason is news. */
  sendEvents(progress: StreamProgress, isNewFinish: boolean): void {
    this.capture?.addEvents(progress.bytes);
    if (progress.bytes === '' && !isNewFinish) return;
    const bytes = this.listener.takesBytesAtOnce === true ? passingBytes(progress.bytes) : ownBytes(progress.bytes);
    this.sendPiece(bytes, progress.hasContent, progress.nativeFinishReason ?? '');
  }

  /** A whole answer is about to be sent in pieces. */
  noteWhole(bytes: Uint8Array): void {
    this.capture?.addWhole(bytes);
  }

  sendPiece(bytes: Uint8Array, hasContent: boolean, nativeFinishReason: string): void {
    const { finishReason, outputBytes } = this.notes;
    this.roomBytes -= bytes.byteLength;
    this.listener.onData({
      bytes,
      hasContent,
      finishReason,
      nativeFinishReason: plainWord(nativeFinishReason),
      outputBytes: BigInt(outputBytes),
      isDebug: false,
    });
  }

  /** So far, or of all of the attempt. */
  sendUsage(isFinal: boolean): void {
    const { meters, usageSource } = this.notes;
    this.listener.onUsage({ usage: { meters: countsOf(meters ?? {}), source: usageSource }, isFinal });
  }

  sendEnd(end: worker.AttemptEnd, error: SwitchyardError | undefined, warnings: readonly string[]): void {
    const { upstreamId, serviceTier } = this.notes;
    this.listener.onEnd({ end, error: error === undefined ? undefined : errorDetail(error), warnings: [...warnings], upstreamId, serviceTier });
  }
}
