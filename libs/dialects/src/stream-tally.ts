import type { FinishReason, Meters } from '@switchyard/core';
import type { ProviderStatement, StreamProgress } from './exchange.js';
import type { UpstreamFailure } from './provider-dialect.js';

/** What a provider's stream has told so far, however its chunks reach the client. */
export class StreamTally {
  upstreamId: string | undefined;
  upstreamModel: string | undefined;
  serviceTier: string | undefined;
  error: UpstreamFailure | undefined;
  /** The bytes that were pushed last hold model output. */
  hasContent = false;
  private outputBytes = 0;
  private reasoningBytes = 0;
  private finishReason: FinishReason | undefined;
  private nativeFinishReason: string | undefined;
  private meters: Meters | undefined;
  private isUsageFinal = false;
  private costUsd: number | undefined;

  get hasFinishReason(): boolean {
    return this.finishReason !== undefined;
  }

  get statement(): ProviderStatement {
    return { model: this.upstreamModel, costUsd: this.costUsd };
  }

  /** UTF-8 bytes of model output; `reasoningBytes` of them are reasoning. */
  addOutput(outputBytes: number, reasoningBytes: number): void {
    this.outputBytes += outputBytes;
    this.reasoningBytes += reasoningBytes;
  }

  noteFinish(finishReason: FinishReason | undefined, nativeFinishReason: string | undefined): void {
    this.finishReason = finishReason;
    this.nativeFinishReason = nativeFinishReason;
  }

  /** Cumulative; call it after the finish reason that came with it. `costUsd`: what the provider says it costs. */
  noteUsage(meters: Meters, costUsd: number | undefined): void {
    this.meters = meters;
    this.costUsd = costUsd;
    this.isUsageFinal = this.hasFinishReason;
  }

  /** `bytes`: what the push under way shows the client. */
  progress(bytes: string, done: boolean): StreamProgress {
    return {
      bytes,
      hasContent: this.hasContent,
      finishReason: this.finishReason,
      nativeFinishReason: this.nativeFinishReason,
      meters: this.meters,
      isUsageFinal: this.isUsageFinal,
      outputBytes: this.outputBytes,
      reasoningBytes: this.reasoningBytes,
      upstreamId: this.upstreamId,
      serviceTier: this.serviceTier,
      error: this.error,
      done,
    };
  }
}
