import { asNumber, asObject, asObjects, asString, type JsonObject } from '@switchyard/core';
import { parseEventData, UNREADABLE_EVENT } from '../../event-data.js';
import type { ProviderChunk, ProviderStreamParser, StreamFinish } from '../../provider-dialect.js';
import { serviceTierOf } from '../../service-tier.js';
import { SseParser } from '../../sse-parser.js';
import { JSON_ANSWER_TOOL } from './build-request.js';
import { anthropicMeters } from './meters.js';
import { annotationOf, failureOf, finishReasonOf, redactedPart, refusalText, thinkingPart } from './parse-response.js';

type OpenBlock =
  | { readonly kind: 'text' }
  | { readonly kind: 'thinking'; readonly index: number }
  | { readonly kind: 'tool'; readonly index: number; readonly input: JsonObject; hasArguments: boolean }
  | { readonly kind: 'json-answer'; readonly input: JsonObject; hasArguments: boolean }
  | { readonly kind: 'other' };

/** Events of the Messages stream (https://platform.claude.com/docs/en/build-with-claude/streaming) as canonical chunks. */
export class AnthropicStreamParser implements ProviderStreamParser {
  private readonly sse = new SseParser();
  private readonly blocks = new Map<number, OpenBlock>();
  private usage: JsonObject = {};
  private toolCalls = 0;
  private reasoningParts = 0;
  private messageId: string | undefined;
  private sawStop = false;
  private stopReason: string | undefined;

  push(bytes: Uint8Array): readonly ProviderChunk[] {
    const chunks: ProviderChunk[] = [];
    for (const { data } of this.sse.push(bytes)) if (!this.sawStop && data.trim() !== '') this.read(parseEventData(data), chunks);
    return chunks;
  }

  get isDone(): boolean {
    return this.sawStop;
  }

  finish(): StreamFinish {
    return { chunks: [], outcome: this.sawStop || this.stopReason !== undefined ? 'finished' : 'truncated' };
  }

  private read(event: JsonObject | undefined, chunks: ProviderChunk[]): void {
    if (!event) return void chunks.push({ type: 'error', error: UNREADABLE_EVENT });
    switch (asString(event['type']) ?? '') {
      case 'message_start':
        return this.readStart(asObject(event['message']) ?? {}, chunks);
      case 'content_block_start':
        return this.openBlock(asNumber(event['index']) ?? 0, asObject(event['content_block']) ?? {}, chunks);
      case 'content_block_delta':
        return this.readDelta(this.blocks.get(asNumber(event['index']) ?? 0), asObject(event['delta']) ?? {}, chunks);
      case 'content_block_stop':
        return this.closeBlock(asNumber(event['index']) ?? 0, chunks);
      case 'message_delta':
        return this.readMessageDelta(event, chunks);
      case 'message_stop':
        this.sawStop = true;
        return;
      case 'error':
        chunks.push({ type: 'error', error: failureOf(event) });
        return;
    }
  }

  private readStart(message: JsonObject, chunks: ProviderChunk[]): void {
    const id = asString(message['id']) ?? '';
    if (this.messageId !== undefined && this.messageId !== id) {
      // A proxy between retried and spliced another answer into this one: what came before has no end.
      chunks.push({
        type: 'error',
        error: {
          errorType: 'provider_unavailable',
          message: 'The provider began another answer in mid-stream.',
          providerCode: 'spliced_stream',
          upstreamStatus: 0,
        },
      });
      return;
    }
    const usage = asObject(message['usage']);
    this.addUsage(usage, chunks);
    if (this.messageId !== undefined) return;
    this.messageId = id;
    chunks.push({ type: 'message-start', upstreamId: id, upstreamModel: asString(message['model']), serviceTier: serviceTierOf(usage?.['service_tier']) });
  }

  private openBlock(index: number, block: JsonObject, chunks: ProviderChunk[]): void {
    this.closeBlock(index, chunks);
    switch (block['type']) {
      case 'text': {
        this.blocks.set(index, { kind: 'text' });
        const text = asString(block['text']) ?? '';
        if (text !== '') chunks.push({ type: 'text-delta', text });
        for (const citation of asObjects(block['citations'])) pushAnnotation(citation, chunks);
        return;
      }
      case 'thinking': {
        const part = this.reasoningParts++;
        this.blocks.set(index, { kind: 'thinking', index: part });
        const text = asString(block['thinking']) ?? '';
        if (text !== '') chunks.push({ type: 'reasoning-delta', index: part, part: thinkingPart(part, text, undefined) });
        return;
      }
      case 'redacted_thinking': {
        const part = this.reasoningParts++;
        this.blocks.set(index, { kind: 'other' });
        chunks.push({ type: 'reasoning-delta', index: part, part: redactedPart(part, asString(block['data']) ?? '') });
        return;
      }
      case 'tool_use':
        return this.openTool(index, block, chunks);
      default:
        this.blocks.set(index, { kind: 'other' });
    }
  }

  private openTool(index: number, block: JsonObject, chunks: ProviderChunk[]): void {
    const input = asObject(block['input']) ?? {};
    const name = asString(block['name']) ?? '';
    if (name === JSON_ANSWER_TOOL) {
      this.blocks.set(index, { kind: 'json-answer', input, hasArguments: false });
      return;
    }
    const call = this.toolCalls++;
    this.blocks.set(index, { kind: 'tool', index: call, input, hasArguments: false });
    chunks.push({ type: 'tool-call-start', index: call, id: asString(block['id']) ?? `toolu_${call}`, name });
  }

  private readDelta(block: OpenBlock | undefined, delta: JsonObject, chunks: ProviderChunk[]): void {
    if (!block) return;
    switch (asString(delta['type']) ?? '') {
      case 'text_delta':
        if (asString(delta['text'])) chunks.push({ type: 'text-delta', text: asString(delta['text'])! });
        return;
      case 'thinking_delta':
        if (block.kind === 'thinking')
          chunks.push({ type: 'reasoning-delta', index: block.index, part: thinkingPart(block.index, asString(delta['thinking']) ?? '', undefined) });
        return;
      case 'signature_delta':
        if (block.kind === 'thinking')
          chunks.push({ type: 'reasoning-delta', index: block.index, part: thinkingPart(block.index, undefined, asString(delta['signature']) ?? '') });
        return;
      case 'input_json_delta':
        this.readToolInput(block, asString(delta['partial_json']) ?? '', chunks);
        return;
      case 'citations_delta':
        pushAnnotation(asObject(delta['citation']) ?? {}, chunks);
        return;
    }
  }

  private readToolInput(block: OpenBlock, piece: string, chunks: ProviderChunk[]): void {
    if (piece === '' || (block.kind !== 'tool' && block.kind !== 'json-answer')) return;
    block.hasArguments = true;
    chunks.push(block.kind === 'tool' ? { type: 'tool-call-delta', index: block.index, arguments: piece } : { type: 'text-delta', text: piece });
  }

  private closeBlock(index: number, chunks: ProviderChunk[]): void {
    const block = this.blocks.get(index);
    this.blocks.delete(index);
    if (block?.kind !== 'tool' && block?.kind !== 'json-answer') return;
    // A call without arguments comes without a single delta; some come whole at the start.
    if (!block.hasArguments) this.readToolInput(block, JSON.stringify(block.input), chunks);
    if (block.kind === 'tool') chunks.push({ type: 'tool-call-end', index: block.index });
  }

  private readMessageDelta(event: JsonObject, chunks: ProviderChunk[]): void {
    this.readStop(asObject(event['delta']) ?? {}, chunks);
    this.addUsage(asObject(event['usage']), chunks);
  }

  private readStop(delta: JsonObject, chunks: ProviderChunk[]): void {
    const stopReason = asString(delta['stop_reason']);
    if (stopReason === undefined) return;
    for (const index of [...this.blocks.keys()]) this.closeBlock(index, chunks);
    const refusal = refusalText(delta);
    if (refusal !== undefined) chunks.push({ type: 'refusal-delta', text: refusal });
    this.stopReason = stopReason;
    chunks.push({ type: 'finish', finishReason: finishReasonOf(stopReason, this.toolCalls > 0), nativeFinishReason: stopReason });
  }

  /** Counts are cumulative; what an event does not name keeps its last value. */
  private addUsage(usage: JsonObject | undefined, chunks: ProviderChunk[]): void {
    if (!usage) return;
    for (const [key, value] of Object.entries(usage)) if (value !== null) this.usage[key] = value;
    chunks.push({ type: 'usage', meters: anthropicMeters(this.usage), serviceTier: serviceTierOf(this.usage['service_tier']) });
  }
}

function pushAnnotation(citation: JsonObject, chunks: ProviderChunk[]): void {
  const annotation = annotationOf(citation);
  if (annotation) chunks.push({ type: 'annotation', annotation });
}
