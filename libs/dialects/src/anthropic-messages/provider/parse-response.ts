import {
  asArray,
  asObject,
  asObjects,
  asString,
  isJsonObject,
  type CanonicalChatResponse,
  type FinishReason,
  type JsonObject,
  type JsonValue,
  type MessagePart,
  type ReasoningPart,
} from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { UpstreamFailure } from '../../provider-dialect.js';
import { serviceTierOf } from '../../service-tier.js';
import { classifyFailure, errorParts } from '../../upstream-error.js';
import { ANTHROPIC_FORMAT } from './build-messages.js';
import { JSON_ANSWER_TOOL } from './build-request.js';
import { anthropicMeters } from './meters.js';

const STOP_REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  compaction: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

/** `tool_use` that was only the JSON answer's tool ended the answer. */
export function finishReasonOf(stopReason: string, hasToolCalls: boolean): FinishReason {
  const mapped = STOP_REASONS[stopReason] ?? 'stop';
  return mapped === 'tool_calls' && !hasToolCalls ? 'stop' : mapped;
}

/** @throws SwitchyardError `provider_unavailable` when the body is no message and no error either. */
export function parseAnthropicResponse(body: JsonValue): CanonicalChatResponse<UpstreamFailure> {
  if (!isJsonObject(body)) throw notAMessage();
  if (body['type'] === 'error') return { parts: [], finishReason: null, nativeFinishReason: null, error: failureOf(body) };
  const content = asArray(body['content']);
  if (body['type'] !== 'message' || !content) throw notAMessage();
  const parts: MessagePart[] = [];
  for (const block of asObjects(content)) {
    const part = partOf(block, parts);
    if (part) parts.push(part);
  }
  const refusal = refusalText(body);
  if (refusal !== undefined) parts.push({ kind: 'refusal', text: refusal });
  const stopReason = asString(body['stop_reason']);
  const usage = asObject(body['usage']);
  return {
    upstreamId: asString(body['id']),
    upstreamModel: asString(body['model']),
    parts,
    finishReason:
      stopReason === undefined
        ? null
        : finishReasonOf(
            stopReason,
            parts.some((part) => part.kind === 'tool-call'),
          ),
    nativeFinishReason: stopReason ?? null,
    serviceTier: serviceTierOf(usage?.['service_tier']),
    meters: usage && anthropicMeters(usage),
  };
}

/** Why the model would not answer; it says so beside its `refusal`. */
export function refusalText(holder: JsonObject): string | undefined {
  return holder['stop_reason'] === 'refusal' ? asString(asObject(holder['stop_details'])?.['explanation']) : undefined;
}

export function failureOf(body: JsonObject): UpstreamFailure {
  const { codes, message } = errorParts(body);
  return classifyFailure({ status: 0, codes, message });
}

/** Blocks of server-side tools (searches, code execution) have no place in a chat answer; their text follows in text blocks. */
function partOf(block: JsonObject, before: readonly MessagePart[]): MessagePart | undefined {
  const reasoningIndex = before.filter((part) => part.kind === 'reasoning').length;
  switch (block['type']) {
    case 'text': {
      const annotations = asObjects(block['citations'])
        .map(annotationOf)
        .filter((annotation) => annotation !== undefined);
      const text = asString(block['text']) ?? '';
      return text === '' ? undefined : { kind: 'text', text, ...(annotations.length === 0 ? {} : { annotations }) };
    }
    case 'thinking':
      return thinkingPart(reasoningIndex, asString(block['thinking']) ?? '', asString(block['signature']));
    case 'redacted_thinking':
      return redactedPart(reasoningIndex, asString(block['data']) ?? '');
    case 'tool_use': {
      const input = JSON.stringify(block['input'] ?? {});
      const name = asString(block['name']) ?? '';
      return name === JSON_ANSWER_TOOL ? { kind: 'text', text: input } : { kind: 'tool-call', id: asString(block['id']) ?? '', name, arguments: input };
    }
    default:
      return undefined;
  }
}

export function thinkingPart(index: number, text: string | undefined, signature: string | undefined): ReasoningPart {
  return {
    kind: 'reasoning',
    variant: 'text',
    ...(text === undefined ? {} : { text }),
    ...(signature === undefined ? {} : { signature }),
    format: ANTHROPIC_FORMAT,
    index,
  };
}

export function redactedPart(index: number, data: string): ReasoningPart {
  return { kind: 'reasoning', variant: 'encrypted', data, format: ANTHROPIC_FORMAT, index };
}

/** A citation with an address, in the shape every web search has here. */
export function annotationOf(citation: JsonObject): JsonObject | undefined {
  const url = asString(citation['url']);
  if (url === undefined) return undefined;
  const content = asString(citation['cited_text']);
  return {
    type: 'url_citation',
    url_citation: { url, title: asString(citation['title']) ?? url, ...(content === undefined ? {} : { content }), start_index: 0, end_index: 0 },
  };
}

function notAMessage(): SwitchyardError {
  return new SwitchyardError('provider_unavailable', 'The provider answered with success, but the body is not a message.', { providerCode: 'malformed_body' });
}
