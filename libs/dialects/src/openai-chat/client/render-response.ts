import type { CanonicalChatResponse, CanonicalEmbeddingResponse, JsonObject, MessagePart, ReasoningPart } from '@switchyard/core';
import type { AnswerIdentity } from '../../client-dialect.js';
import { mediaUrlOf } from '../../media.js';
import { LegacyLogprobs } from './legacy-logprobs.js';

/** A part of reasoning as one entry of `reasoning_details`; the inverse of `parseReasoningDetail`. */
export function reasoningDetail(part: ReasoningPart): JsonObject {
  const base: JsonObject = {
    ...(part.id === undefined ? {} : { id: part.id }),
    ...(part.format === undefined ? {} : { format: part.format }),
    ...(part.index === undefined ? {} : { index: part.index }),
  };
  switch (part.variant) {
    case 'text':
      return {
        type: 'reasoning.text',
        ...(part.text === undefined ? {} : { text: part.text }),
        ...(part.signature === undefined ? {} : { signature: part.signature }),
        ...base,
        ...part.extra,
      };
    case 'summary':
      return { type: 'reasoning.summary', summary: part.text ?? '', ...base, ...part.extra };
    case 'encrypted':
      return { type: 'reasoning.encrypted', data: part.data ?? '', ...base, ...part.extra };
    case 'server-tool-call':
      return { type: 'reasoning.server_tool_call', ...base, ...part.extra };
  }
}

/** A signature that belongs to a text, a call or a picture, as the entry under which clients keep it. A text's has no id. */
export function signatureDetail(signature: { readonly format: string; readonly data: string }, id: string | null, index: number): JsonObject {
  return { type: 'reasoning.encrypted', data: signature.data, id, format: signature.format, index };
}

/** Pictures have no ids of their own; which one of a message it is tells them apart. */
export function imageSignatureId(imageIndex: number): string {
  return `image_${imageIndex}`;
}

interface RenderedMessage {
  readonly text: string;
  readonly message: JsonObject;
}

function renderMessage(parts: readonly MessagePart[]): RenderedMessage {
  const details: JsonObject[] = [];
  const toolCalls: JsonObject[] = [];
  const images: JsonObject[] = [];
  const annotations: JsonObject[] = [];
  let text = '';
  let refusal = '';
  let reasoning = '';
  for (const part of parts) {
    if ((part.kind === 'text' || part.kind === 'tool-call') && part.signature)
      details.push(signatureDetail(part.signature, part.kind === 'tool-call' ? part.id : null, details.length));
    if (part.kind === 'text') {
      text += part.text;
      annotations.push(...(part.annotations ?? []));
    } else if (part.kind === 'reasoning') {
      details.push(reasoningDetail({ index: details.length, ...part }));
      if (part.variant === 'text' || part.variant === 'summary') reasoning += part.text ?? '';
    } else if (part.kind === 'tool-call') {
      toolCalls.push({ index: toolCalls.length, id: part.id, type: 'function', function: { name: part.name, arguments: part.arguments } });
    } else if (part.kind === 'refusal') refusal += part.text;
    else if (part.kind === 'image') {
      const url = mediaUrlOf(part.source);
      if (url === undefined) continue;
      if (part.signature) details.push(signatureDetail(part.signature, imageSignatureId(images.length), details.length));
      images.push({ type: 'image_url', image_url: { url }, index: images.length });
    }
  }
  return {
    text,
    message: {
      role: 'assistant',
      content: text === '' && (toolCalls.length > 0 || images.length > 0 || refusal !== '') ? null : text,
      refusal: refusal === '' ? null : refusal,
      ...(reasoning === '' ? {} : { reasoning }),
      ...(details.length === 0 ? {} : { reasoning_details: details }),
      ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
      ...(images.length === 0 ? {} : { images }),
      ...(annotations.length === 0 ? {} : { annotations }),
    },
  };
}

/** `chat.completion` without usage. */
export function renderChatResponse(response: CanonicalChatResponse, identity: AnswerIdentity): string {
  const { message } = renderMessage(response.parts);
  return JSON.stringify({
    id: identity.generationId,
    provider: identity.providerName,
    model: identity.model,
    object: 'chat.completion',
    created: identity.created,
    choices: [
      {
        index: 0,
        logprobs: response.logprobs ?? null,
        finish_reason: response.finishReason,
        native_finish_reason: response.nativeFinishReason,
        message: { ...message, ...(response.audio ? { audio: response.audio } : {}) },
      },
    ],
    system_fingerprint: response.systemFingerprint ?? null,
    ...(response.serviceTier === undefined ? {} : { service_tier: response.serviceTier }),
  });
}

/** `text_completion` without usage. */
export function renderCompletionResponse(response: CanonicalChatResponse, identity: AnswerIdentity): string {
  const { text, message } = renderMessage(response.parts);
  return JSON.stringify({
    id: identity.generationId,
    provider: identity.providerName,
    model: identity.model,
    object: 'text_completion',
    created: identity.created,
    choices: [
      {
        index: 0,
        text,
        logprobs: new LegacyLogprobs().render(response.logprobs),
        finish_reason: response.finishReason,
        native_finish_reason: response.nativeFinishReason,
        ...(message['reasoning'] === undefined ? {} : { reasoning: message['reasoning'] }),
      },
    ],
    system_fingerprint: response.systemFingerprint ?? null,
    ...(response.serviceTier === undefined ? {} : { service_tier: response.serviceTier }),
  });
}

/** `list` of embeddings without usage. */
export function renderEmbeddingResponse(response: CanonicalEmbeddingResponse, identity: AnswerIdentity, encodingFormat: 'float' | 'base64'): string {
  return JSON.stringify({
    id: identity.generationId,
    provider: identity.providerName,
    object: 'list',
    model: identity.model,
    data: response.vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: encodingFormat === 'base64' ? toBase64(vector) : toNumbers(vector),
    })),
  });
}

function toBase64(vector: readonly number[] | string): string {
  if (typeof vector === 'string') return vector;
  const bytes = new DataView(new ArrayBuffer(vector.length * 4));
  for (const [index, value] of vector.entries()) bytes.setFloat32(index * 4, value, true);
  return Buffer.from(bytes.buffer).toString('base64');
}

function toNumbers(vector: readonly number[] | string): readonly number[] {
  if (typeof vector !== 'string') return vector;
  const bytes = Buffer.from(vector, 'base64');
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => bytes.readFloatLE(index * 4));
}
