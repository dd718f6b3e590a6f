import type { CanonicalChatResponse, FinishReason, Meters, ReasoningPart } from '@switchyard/core';
import type { StreamRenderer } from './client-dialect.js';
import type { ExchangeStream, ProviderStatement, StreamProgress } from './exchange.js';
import type { ProviderChunk, ProviderStreamParser, UpstreamFailure } from './provider-dialect.js';

/** Provider dialect → canonical chunks → client dialect. */
export class TranslatedStream implements ExchangeStream {
  private outputBytes = 0;
  private reasoningBytes = 0;
  private finishReason: FinishReason | undefined;
  private nativeFinishReason: string | undefined;
  private meters: Meters | undefined;
  private isUsageFinal = false;
  private upstreamId: string | undefined;
  private upstreamModel: string | undefined;
  private costUsd: number | undefined;
  private serviceTier: string | undefined;
  private error: UpstreamFailure | undefined;
  private hasContent = false;

  constructor(
    private readonly parser: ProviderStreamParser,
    private readonly renderer: StreamRenderer,
    private readonly excludeReasoning: boolean,
  ) {}

  push(bytes: Uint8Array): StreamProgress {
    this.hasContent = false;
    return this.progress(this.take(this.parser.push(bytes)));
  }

  finish(): StreamProgress & { readonly outcome: 'finished' | 'truncated' } {
    this.hasContent = false;
    const { chunks, outcome } = this.parser.finish();
    return { ...this.progress(this.take(chunks)), outcome };
  }

  get statement(): ProviderStatement {
    return { model: this.upstreamModel, costUsd: this.costUsd };
  }

  private take(chunks: readonly ProviderChunk[]): string {
    let out = '';
    for (const chunk of chunks) {
      if (this.error) break;
      this.count(chunk);
      const shown = this.excludeReasoning && chunk.type === 'reasoning-delta' ? withoutText(chunk) : chunk;
      if (shown) out += this.renderer.render(shown);
    }
    return out;
  }

  private count(chunk: ProviderChunk): void {
    switch (chunk.type) {
      case 'message-start':
        this.upstreamId = chunk.upstreamId;
        this.upstreamModel = chunk.upstreamModel;
        this.serviceTier = chunk.serviceTier ?? this.serviceTier;
        break;
      case 'text-delta':
      case 'refusal-delta':
        this.addOutput(chunk.text);
        break;
      case 'reasoning-delta':
        this.reasoningBytes += Buffer.byteLength(chunk.part.text ?? '');
        this.addOutput(chunk.part.text ?? '');
        this.hasContent ||= (chunk.part.data ?? chunk.part.signature ?? '') !== '';
        break;
      case 'tool-call-start':
        this.addOutput(chunk.name);
        this.hasContent = true;
        break;
      case 'tool-call-delta':
        this.addOutput(chunk.arguments);
        break;
      case 'image':
      case 'audio-delta':
      case 'annotation':
        this.hasContent = true;
        break;
      case 'finish':
        this.finishReason = chunk.finishReason ?? undefined;
        this.nativeFinishReason = chunk.nativeFinishReason ?? undefined;
        break;
      case 'usage':
        this.meters = chunk.meters;
        this.costUsd = chunk.costUsd;
        this.isUsageFinal = this.finishReason !== undefined;
        this.serviceTier = chunk.serviceTier ?? this.serviceTier;
        break;
      case 'error':
        this.error = chunk.error;
        break;
      case 'tool-call-end':
        break;
    }
  }

  private addOutput(text: string): void {
    if (text === '') return;
    this.outputBytes += Buffer.byteLength(text);
    this.hasContent = true;
  }

  private progress(bytes: string): StreamProgress {
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
      done: this.parser.isDone,
    };
  }
}

/** Readable reasoning goes, proofs stay: the provider wants them back in tool loops. */
function withoutText(chunk: Extract<ProviderChunk, { type: 'reasoning-delta' }>): ProviderChunk | undefined {
  const part = hiddenReasoning(chunk.part);
  return part && { ...chunk, part };
}

export function hiddenReasoning(part: ReasoningPart): ReasoningPart | undefined {
  if (part.variant === 'encrypted') return part;
  return typeof part.signature === 'string' && part.signature !== '' ? { ...part, text: '' } : undefined;
}

/** UTF-8 bytes of model output in a whole answer. */
export function countOutput(response: CanonicalChatResponse): { outputBytes: number; reasoningBytes: number } {
  let outputBytes = 0;
  let reasoningBytes = 0;
  for (const part of response.parts) {
    if (part.kind === 'text' || part.kind === 'refusal') outputBytes += Buffer.byteLength(part.text);
    else if (part.kind === 'tool-call') outputBytes += Buffer.byteLength(part.name) + Buffer.byteLength(part.arguments);
    else if (part.kind === 'reasoning') reasoningBytes += Buffer.byteLength(part.text ?? '');
  }
  return { outputBytes: outputBytes + reasoningBytes, reasoningBytes };
}
