import type { CanonicalChatChunk, FinishReason, JsonObject } from '@switchyard/core';
import type { AnswerIdentity, StreamRenderer } from '../../client-dialect.js';
import { mediaUrlOf } from '../../media.js';
import { LegacyLogprobs } from './legacy-logprobs.js';
import { imageSignatureId, reasoningDetail, signatureDetail } from './render-response.js';

/** `chat.completion.chunk` events; for legacy completions `text_completion` ones. */
export class OpenaiChatStreamRenderer implements StreamRenderer {
  private readonly head: string;
  private systemFingerprint: string | undefined;
  private started = false;
  /** Signatures take an index after all reasoning seen so far. */
  private nextDetailIndex = 0;
  private imageCount = 0;
  private readonly legacyLogprobs = new LegacyLogprobs();

  constructor(
    identity: AnswerIdentity,
    private readonly apiType: 'chat' | 'completions',
  ) {
    const object = apiType === 'chat' ? 'chat.completion.chunk' : 'text_completion';
    this.head = JSON.stringify({ id: identity.generationId, provider: identity.providerName, model: identity.model, object, created: identity.created }).slice(
      0,
      -1,
    );
  }

  render(chunk: CanonicalChatChunk): string {
    switch (chunk.type) {
      case 'message-start':
        this.systemFingerprint = chunk.systemFingerprint;
        return '';
      case 'text-delta':
        return this.textDelta(chunk);
      case 'refusal-delta':
        return this.delta({ refusal: chunk.text });
      case 'reasoning-delta':
        return this.reasoningDelta(chunk);
      case 'tool-call-start':
        return this.toolCallStart(chunk);
      case 'tool-call-delta':
        return this.delta({ tool_calls: [{ index: chunk.index, function: { arguments: chunk.arguments } }] });
      case 'image':
        return this.image(chunk);
      case 'audio-delta':
        return this.delta({ audio: chunk.audio });
      case 'annotation':
        return this.delta({ annotations: [chunk.annotation] });
      case 'finish':
        return this.event({}, chunk.finishReason, chunk.nativeFinishReason);
      case 'tool-call-end':
      case 'usage':
      case 'error':
        return '';
    }
  }

  private textDelta(chunk: Extract<CanonicalChatChunk, { type: 'text-delta' }>): string {
    if (!chunk.signature) return chunk.text === '' ? '' : this.event({ content: chunk.text }, null, null, chunk.logprobs);
    const delta = { content: chunk.text, reasoning_details: [signatureDetail(chunk.signature, null, this.nextDetailIndex++)] };
    return this.event(delta, null, null, chunk.logprobs);
  }

  private reasoningDelta(chunk: Extract<CanonicalChatChunk, { type: 'reasoning-delta' }>): string {
    this.nextDetailIndex = Math.max(this.nextDetailIndex, chunk.index + 1);
    const shown = chunk.part.variant === 'text' || chunk.part.variant === 'summary' ? chunk.part.text : undefined;
    const detail = reasoningDetail({ ...chunk.part, index: chunk.index });
    return this.delta({ content: '', ...(shown === undefined || shown === '' ? {} : { reasoning: shown }), reasoning_details: [detail] });
  }

  private toolCallStart(chunk: Extract<CanonicalChatChunk, { type: 'tool-call-start' }>): string {
    const details = chunk.signature ? { reasoning_details: [signatureDetail(chunk.signature, chunk.id, this.nextDetailIndex++)] } : {};
    return this.delta({
      content: null,
      tool_calls: [{ index: chunk.index, id: chunk.id, type: 'function', function: { name: chunk.name, arguments: '' } }],
      ...details,
    });
  }

  private image({ source, signature }: Extract<CanonicalChatChunk, { type: 'image' }>): string {
    const url = mediaUrlOf(source);
    if (url === undefined) return '';
    const index = this.imageCount++;
    const details = signature ? { reasoning_details: [signatureDetail(signature, imageSignatureId(index), this.nextDetailIndex++)] } : {};
    return this.delta({ images: [{ type: 'image_url', image_url: { url }, index }], ...details });
  }

  private delta(delta: JsonObject): string {
    return this.event(delta, null, null);
  }

  private event(delta: JsonObject, finishReason: FinishReason | null, nativeFinishReason: string | null, logprobs?: JsonObject): string {
    if (this.apiType === 'completions') return this.completionEvent(delta, finishReason, nativeFinishReason, logprobs);
    const role = this.started ? {} : { role: 'assistant' };
    this.started = true;
    const choice = {
      index: 0,
      delta: { ...role, ...delta },
      finish_reason: finishReason,
      native_finish_reason: nativeFinishReason,
      logprobs: logprobs ?? null,
    };
    return this.write(choice);
  }

  private completionEvent(delta: JsonObject, finishReason: FinishReason | null, nativeFinishReason: string | null, logprobs?: JsonObject): string {
    const text = typeof delta['content'] === 'string' ? delta['content'] : '';
    const reasoning = delta['reasoning'] === undefined ? {} : { reasoning: delta['reasoning'] };
    if (text === '' && finishReason === null && nativeFinishReason === null && delta['reasoning'] === undefined) return '';
    return this.write({
      index: 0,
      text,
      ...reasoning,
      finish_reason: finishReason,
      native_finish_reason: nativeFinishReason,
      logprobs: this.legacyLogprobs.render(logprobs),
    });
  }

  private write(choice: JsonObject): string {
    // The strict clients refuse a null fingerprint in chunks, and want it as a string or not at all.
    const fingerprint = this.systemFingerprint === undefined ? '' : `,"system_fingerprint":${JSON.stringify(this.systemFingerprint)}`;
    return `data: ${this.head},"choices":[${JSON.stringify(choice)}]${fingerprint}}\n\n`;
  }
}
