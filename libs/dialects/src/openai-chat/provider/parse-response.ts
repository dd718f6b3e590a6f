import {
  asArray,
  asNumber,
  asObject,
  asObjects,
  asString,
  isJsonObject,
  type CanonicalChatResponse,
  type CanonicalEmbeddingResponse,
  type JsonObject,
  type JsonValue,
  type MessagePart,
  type TextPart,
} from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { DialectManifest } from '../../dialect-manifest.js';
import { mediaSourceOf } from '../../media.js';
import type { UpstreamFailure } from '../../provider-dialect.js';
import { parseReasoningDetail } from '../client/parse-messages.js';
import { citationAnnotations, costInside, failureInside, metersInside, normaliseEnd } from './answer-envelope.js';
import { AnswerNormaliser } from './answer-normaliser.js';

/** @throws SwitchyardError `provider_unavailable` when the body is no chat completion and no error either. */
export function parseChatResponse(value: JsonValue, manifest: DialectManifest): CanonicalChatResponse<UpstreamFailure> {
  const body = Array.isArray(value) ? value[0] : value;
  if (!isJsonObject(body)) throw notADialect();
  const error = failureInside(body, manifest);
  const choice = asObject(asArray(body['choices'])?.[0]);
  if (!choice && !error) throw notADialect();
  const end = choice ? normaliseEnd(choice) : undefined;
  const message = asObject(choice?.['message']) ?? {};
  new AnswerNormaliser(manifest.openaiChat, { isStream: false, excludeReasoning: false }).normalise(message, true);
  return {
    upstreamId: asString(body['id']),
    upstreamModel: asString(body['model']),
    parts: messageParts(message, body),
    finishReason: end?.finishReason ?? null,
    nativeFinishReason: end?.nativeFinishReason ?? null,
    logprobs: asObject(choice?.['logprobs']),
    audio: asObject(message['audio']),
    systemFingerprint: asString(body['system_fingerprint']),
    serviceTier: asString(body['service_tier']),
    meters: metersInside(body, manifest),
    costUsd: costInside(body, manifest),
    error,
  };
}

function messageParts(message: JsonObject, body: JsonObject): MessagePart[] {
  const parts: MessagePart[] = asObjects(message['reasoning_details']).map(parseReasoningDetail);
  const text = asString(message['content']);
  const own = asObjects(message['annotations']);
  const annotations = own.length > 0 ? own : citationAnnotations(body).filter(isJsonObject);
  if (text !== undefined && text !== '') parts.push({ kind: 'text', text, ...(annotations.length > 0 ? { annotations } : {}) } satisfies TextPart);
  const refusal = asString(message['refusal']);
  if (refusal !== undefined && refusal !== '') parts.push({ kind: 'refusal', text: refusal });
  for (const call of asObjects(message['tool_calls'])) {
    const definition = asObject(call['function']);
    parts.push({
      kind: 'tool-call',
      id: asString(call['id']) ?? '',
      name: asString(definition?.['name']) ?? '',
      arguments: asString(definition?.['arguments']) ?? '{}',
    });
  }
  for (const image of asObjects(message['images'])) {
    const url = asString(asObject(image['image_url'])?.['url']);
    if (url !== undefined) parts.push({ kind: 'image', source: mediaSourceOf(url) });
  }
  return parts;
}

/** @throws SwitchyardError `provider_unavailable` */
export function parseEmbeddingResponse(value: JsonValue, manifest: DialectManifest): CanonicalEmbeddingResponse {
  const rows = isJsonObject(value) ? asObjects(value['data']) : [];
  if (!isJsonObject(value) || rows.length === 0) throw notADialect();
  const ordered = [...rows].sort((left, right) => (asNumber(left['index']) ?? 0) - (asNumber(right['index']) ?? 0));
  return {
    upstreamModel: asString(value['model']),
    vectors: ordered.map((row) => vectorOf(row['embedding'])),
    meters: metersInside(value, manifest),
    costUsd: costInside(value, manifest),
  };
}

function vectorOf(embedding: JsonValue | undefined): readonly number[] | string {
  if (typeof embedding === 'string') return embedding;
  const numbers = (asArray(embedding) ?? []).filter((entry) => typeof entry === 'number');
  if (numbers.length === 0) throw notADialect();
  return numbers;
}

export function notADialect(): SwitchyardError {
  return new SwitchyardError('provider_unavailable', 'The provider answered with success, but the body is not the answer that its API documents.', {
    providerCode: 'malformed_body',
  });
}
