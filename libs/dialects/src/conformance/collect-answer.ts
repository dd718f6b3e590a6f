import type { FinishReason, JsonObject, MessagePart, Meters } from '@switchyard/core';
import type { ProviderChunk, ProviderStreamParser, StreamFinish, UpstreamFailure } from '../provider-dialect.js';

/** What a stream told in all, in the terms of a whole answer. */
export interface CollectedAnswer {
  text: string;
  refusal: string;
  reasoning: string;
  /** Signatures and encrypted data, in order. */
  proofs: string[];
  toolCalls: { id: string; name: string; arguments: string }[];
  images: number;
  annotations: JsonObject[];
  finishReason: FinishReason | null;
  nativeFinishReason: string | null;
  meters: Meters | undefined;
  upstreamId: string | undefined;
  error: UpstreamFailure | undefined;
  outcome: StreamFinish['outcome'];
}

function emptyAnswer(): CollectedAnswer {
  return {
    text: '',
    refusal: '',
    reasoning: '',
    proofs: [],
    toolCalls: [],
    images: 0,
    annotations: [],
    finishReason: null,
    nativeFinishReason: null,
    meters: undefined,
    upstreamId: undefined,
    error: undefined,
    outcome: 'truncated',
  };
}

/** Pushes the bytes in pieces of `pieceBytes` and adds up the chunks. */
export function collectStream(parser: ProviderStreamParser, bytes: Uint8Array, pieceBytes: number): CollectedAnswer {
  const answer = emptyAnswer();
  for (let from = 0; from < bytes.length; from += pieceBytes) for (const chunk of parser.push(bytes.subarray(from, from + pieceBytes))) addChunk(answer, chunk);
  const { chunks, outcome } = parser.finish();
  for (const chunk of chunks) addChunk(answer, chunk);
  answer.outcome = outcome;
  return answer;
}

function addChunk(answer: CollectedAnswer, chunk: ProviderChunk): void {
  switch (chunk.type) {
    case 'message-start':
      answer.upstreamId = chunk.upstreamId;
      break;
    case 'text-delta':
      answer.text += chunk.text;
      if (chunk.signature) answer.proofs.push(chunk.signature.data);
      break;
    case 'refusal-delta':
      answer.refusal += chunk.text;
      break;
    case 'reasoning-delta':
      answer.reasoning += chunk.part.text ?? '';
      if (chunk.part.signature) answer.proofs.push(chunk.part.signature);
      if (chunk.part.data) answer.proofs.push(chunk.part.data);
      break;
    case 'tool-call-start':
      answer.toolCalls[chunk.index] = { id: chunk.id, name: chunk.name, arguments: '' };
      if (chunk.signature) answer.proofs.push(chunk.signature.data);
      break;
    case 'tool-call-delta':
      answer.toolCalls[chunk.index]!.arguments += chunk.arguments;
      break;
    case 'image':
      answer.images++;
      break;
    case 'annotation':
      answer.annotations.push(chunk.annotation);
      break;
    case 'finish':
      answer.finishReason = chunk.finishReason;
      answer.nativeFinishReason = chunk.nativeFinishReason;
      break;
    case 'usage':
      answer.meters = chunk.meters;
      break;
    case 'error':
      answer.error = chunk.error;
      break;
    case 'audio-delta':
    case 'tool-call-end':
      break;
  }
}

/** The same terms for the parts of a whole answer. */
export function collectParts(parts: readonly MessagePart[]): Pick<CollectedAnswer, 'text' | 'refusal' | 'reasoning' | 'proofs' | 'toolCalls' | 'images'> {
  const { text, refusal, reasoning, proofs, toolCalls, images } = emptyAnswer();
  const answer = { text, refusal, reasoning, proofs, toolCalls, images };
  for (const part of parts) {
    if ((part.kind === 'text' || part.kind === 'tool-call') && part.signature) answer.proofs.push(part.signature.data);
    if (part.kind === 'text') answer.text += part.text;
    else if (part.kind === 'refusal') answer.refusal += part.text;
    else if (part.kind === 'image') answer.images++;
    else if (part.kind === 'tool-call') answer.toolCalls.push({ id: part.id, name: part.name, arguments: part.arguments });
    else if (part.kind === 'reasoning') {
      answer.reasoning += part.text ?? '';
      if (part.signature) answer.proofs.push(part.signature);
      if (part.data) answer.proofs.push(part.data);
    }
  }
  return answer;
}
