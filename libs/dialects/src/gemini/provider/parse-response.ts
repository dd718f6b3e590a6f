import {
  asArray,
  asObject,
  asObjects,
  asString,
  isJsonObject,
  type CanonicalChatResponse,
  type CanonicalEmbeddingResponse,
  type JsonObject,
  type JsonValue,
  type MediaSource,
  type MessagePart,
  type OpaqueSignature,
} from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { UpstreamFailure } from '../../provider-dialect.js';
import { serviceTierOf } from '../../service-tier.js';
import { GEMINI_FORMAT } from './build-contents.js';
import { failureInside, finishReasonOf, groundingAnnotations, logprobsOf } from './candidate.js';
import { geminiMeters, hasCounts } from './meters.js';

/** @throws SwitchyardError `provider_unavailable` when the body is no GenerateContentResponse and no error either. */
export function parseGeminiResponse(body: JsonValue): CanonicalChatResponse<UpstreamFailure> {
  if (!isJsonObject(body)) throw notAnAnswer();
  const error = failureInside(body);
  const candidate = asObject(asArray(body['candidates'])?.[0]);
  if (!candidate && !error) throw notAnAnswer();
  const upstreamId = asString(body['responseId']);
  const parts = candidate ? partsOf(candidate, upstreamId) : [];
  const native = asString(candidate?.['finishReason']);
  const usage = asObject(body['usageMetadata']);
  return {
    upstreamId,
    upstreamModel: asString(body['modelVersion']),
    parts,
    audio: candidate && soundOf(candidate),
    logprobs: candidate && logprobsOf(candidate),
    finishReason:
      native === undefined
        ? null
        : finishReasonOf(
            native,
            parts.some((part) => part.kind === 'tool-call'),
          ),
    nativeFinishReason: native ?? null,
    serviceTier: serviceTierOf(usage?.['serviceTier']),
    meters: usage && hasCounts(usage) ? geminiMeters(usage) : undefined,
    error,
  };
}

function partsOf(candidate: JsonObject, responseId: string | undefined): MessagePart[] {
  const parts: MessagePart[] = [];
  let calls = 0;
  for (const part of asObjects(asObject(candidate['content'])?.['parts'])) {
    const built = partOf(part, parts, () => callId(part, responseId, calls++));
    if (built) parts.push(built);
  }
  const annotations = groundingAnnotations(candidate);
  const text = parts.findLastIndex((part) => part.kind === 'text');
  const last = parts[text];
  if (annotations.length > 0 && last?.kind === 'text') parts[text] = { ...last, annotations };
  return parts;
}

/** Sound comes in pieces, each encoded by itself. */
function soundOf(candidate: JsonObject): { readonly data: string } | undefined {
  const pieces = asObjects(asObject(candidate['content'])?.['parts'])
    .map(inlineMedia)
    .filter((source) => source?.mediaType.startsWith('audio/') === true);
  if (pieces.length === 0) return undefined;
  return { data: Buffer.concat(pieces.map((source) => Buffer.from(source!.data, 'base64'))).toString('base64') };
}

function partOf(part: JsonObject, before: readonly MessagePart[], nextCallId: () => string): MessagePart | undefined {
  const signature = signatureOf(part);
  const call = asObject(part['functionCall']);
  if (call) return { kind: 'tool-call', id: nextCallId(), name: asString(call['name']) ?? '', arguments: JSON.stringify(call['args'] ?? {}), signature };
  const text = asString(part['text']);
  if (text !== undefined && part['thought'] === true)
    return text === ''
      ? undefined
      : { kind: 'reasoning', variant: 'text', text, format: GEMINI_FORMAT, index: before.filter((other) => other.kind === 'reasoning').length };
  if (text !== undefined) return text === '' && !signature ? undefined : { kind: 'text', text, signature };
  const source = inlineMedia(part);
  if (source?.mediaType.startsWith('image/')) return { kind: 'image', source, signature };
  return signature && { kind: 'text', text: '', signature };
}

export function inlineMedia(part: JsonObject): Extract<MediaSource, { kind: 'base64' }> | undefined {
  const inline = asObject(part['inlineData']);
  const data = asString(inline?.['data']);
  return data === undefined ? undefined : { kind: 'base64', mediaType: asString(inline?.['mimeType']) ?? 'application/octet-stream', data };
}

export function signatureOf(part: JsonObject): OpaqueSignature | undefined {
  const data = asString(part['thoughtSignature']);
  return data === undefined || data === '' ? undefined : { format: GEMINI_FORMAT, data };
}

/** Gemini's calls mostly have no id; the answer's own makes one that stays unique over a conversation. */
export function callId(part: JsonObject, responseId: string | undefined, index: number): string {
  return asString(asObject(part['functionCall'])?.['id']) ?? `call_${(responseId ?? '0').replaceAll(/[^a-zA-Z0-9]/g, '')}_${index}`;
}

/** @throws SwitchyardError `provider_unavailable` */
export function parseGeminiEmbeddings(body: JsonValue): CanonicalEmbeddingResponse {
  const rows = isJsonObject(body) ? asObjects(body['embeddings'] ?? (isJsonObject(body['embedding']) ? [body['embedding']] : [])) : [];
  if (!isJsonObject(body) || rows.length === 0) throw notAnAnswer();
  const usage = asObject(body['usageMetadata']);
  return {
    vectors: rows.map((row) => (asArray(row['values']) ?? []).filter((value) => typeof value === 'number')),
    meters: usage && hasCounts(usage) ? geminiMeters(usage) : undefined,
  };
}

function notAnAnswer(): SwitchyardError {
  return new SwitchyardError('provider_unavailable', 'The provider answered with success, but the body is not the answer that its API documents.', {
    providerCode: 'malformed_body',
  });
}
