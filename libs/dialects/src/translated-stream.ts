import type { CanonicalChatResponse, ReasoningPart } from '@switchyard/core';
import type { StreamRenderer } from './client-dialect.js';
import type { ExchangeStream, ProviderStatement, StreamProgress } from './exchange.js';
import type { ProviderChunk, ProviderStreamParser } from './provider-dialect.js';
import { StreamTally } from './stream-tally.js';

/** Provider dialect → canonical chunks → client dialect. */
export class TranslatedStream implements ExchangeStream {
  private readonly tally = new StreamTally();

  constructor(
    private readonly parser: ProviderStreamParser,
    private readonly renderer: StreamRenderer,
    private readonly excludeReasoning: boolean,
  ) {}

  push(bytes: Uint8Array): StreamProgress {
    this.tally.hasContent = false;
    return this.progress(this.parser.push(bytes));
  }

  finish(): StreamProgress & { readonly outcome: 'finished' | 'truncated' } {
    this.tally.hasContent = false;
    const { chunks, outcome } = this.parser.finish();
    return { ...this.progress(chunks), outcome };
  }

  get statement(): ProviderStatement {
    return this.tally.statement;
  }

  private progress(chunks: readonly ProviderChunk[]): StreamProgress {
    const shown = this.render(chunks);
    return this.tally.progress(shown, this.parser.isDone);
  }

  private render(chunks: readonly ProviderChunk[]): string {
    let out = '';
    for (const chunk of chunks) {
      if (this.tally.error) break;
      this.count(chunk);
      const shown = this.excludeReasoning && chunk.type === 'reasoning-delta' ? withoutText(chunk) : chunk;
      if (shown) out += this.renderer.render(shown);
    }
    return out;
  }

  private count(chunk: ProviderChunk): void {
    const { tally } = this;
    switch (chunk.type) {
      case 'message-start':
        tally.upstreamId = chunk.upstreamId;
        tally.upstreamModel = chunk.upstreamModel;
        tally.serviceTier = chunk.serviceTier ?? tally.serviceTier;
        break;
      case 'text-delta':
      case 'refusal-delta':
        this.addOutput(chunk.text);
        break;
      case 'reasoning-delta':
        this.addOutput(chunk.part.text ?? '', true);
        tally.hasContent ||= (chunk.part.data ?? chunk.part.signature ?? '') !== '';
        break;
      case 'tool-call-start':
        this.addOutput(chunk.name);
        tally.hasContent = true;
        break;
      case 'tool-call-delta':
        this.addOutput(chunk.arguments);
        break;
      case 'image':
      case 'audio-delta':
      case 'annotation':
        tally.hasContent = true;
        break;
      case 'finish':
        tally.noteFinish(chunk.finishReason ?? undefined, chunk.nativeFinishReason ?? undefined);
        break;
      case 'usage':
        tally.noteUsage(chunk.meters, chunk.costUsd);
        tally.serviceTier = chunk.serviceTier ?? tally.serviceTier;
        break;
      case 'error':
        tally.error = chunk.error;
        break;
      case 'tool-call-end':
        break;
    }
  }

  private addOutput(text: string, isReasoning = false): void {
    if (text === '') return;
    const bytes = Buffer.byteLength(text);
    this.tally.addOutput(bytes, isReasoning ? bytes : 0);
    this.tally.hasContent = true;
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
