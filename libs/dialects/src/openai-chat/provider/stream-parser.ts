import { asObject, asObjects, asString, isJsonObject, type JsonObject } from '@switchyard/core';
import type { DialectManifest } from '../../dialect-manifest.js';
import { parseEventData, UNREADABLE_EVENT } from '../../event-data.js';
import { mediaSourceOf } from '../../media.js';
import type { ProviderChunk, ProviderStreamParser, StreamFinish } from '../../provider-dialect.js';
import { SseParser } from '../../sse-parser.js';
import { parseReasoningDetail } from '../client/parse-messages.js';
import { citationAnnotations, costInside, failureInside, metersInside, normaliseEnd } from './answer-envelope.js';
import { AnswerNormaliser } from './answer-normaliser.js';

/** `chat.completion.chunk` events as canonical chunks. */
export class OpenaiChatStreamParser implements ProviderStreamParser {
  private readonly sse = new SseParser();
  private readonly normaliser: AnswerNormaliser;
  private readonly openCalls = new Set<number>();
  private hasStarted = false;
  private isFinished = false;
  private sawDone = false;

  constructor(private readonly manifest: DialectManifest) {
    this.normaliser = new AnswerNormaliser(manifest.openaiChat, { isStream: true, excludeReasoning: false });
  }

  push(bytes: Uint8Array): readonly ProviderChunk[] {
    const chunks: ProviderChunk[] = [];
    for (const event of this.sse.push(bytes)) {
      if (this.sawDone || event.data.trim() === '') continue;
      if (event.data === '[DONE]') this.sawDone = true;
      else this.read(parseEventData(event.data), chunks);
    }
    return chunks;
  }

  get isDone(): boolean {
    return this.sawDone;
  }

  finish(): StreamFinish {
    return { chunks: [], outcome: this.isFinished || this.sawDone ? 'finished' : 'truncated' };
  }

  private read(body: JsonObject | undefined, chunks: ProviderChunk[]): void {
    if (!body) return void chunks.push({ type: 'error', error: UNREADABLE_EVENT });
    const error = failureInside(body, this.manifest);
    if (error) return void chunks.push({ type: 'error', error });
    this.readStart(body, chunks);
    const choice = asObject(Array.isArray(body['choices']) ? body['choices'][0] : undefined);
    if (choice) this.readChoice(body, choice, chunks);
    const meters = metersInside(body, this.manifest);
    if (meters) chunks.push({ type: 'usage', meters, serviceTier: asString(body['service_tier']), costUsd: costInside(body, this.manifest) });
  }

  private readStart(body: JsonObject, chunks: ProviderChunk[]): void {
    const upstreamId = asString(body['id']);
    if (this.hasStarted || upstreamId === undefined || upstreamId === '') return;
    this.hasStarted = true;
    chunks.push({
      type: 'message-start',
      upstreamId,
      upstreamModel: asString(body['model']),
      systemFingerprint: asString(body['system_fingerprint']),
      serviceTier: asString(body['service_tier']),
    });
  }

  private readChoice(body: JsonObject, choice: JsonObject, chunks: ProviderChunk[]): void {
    const end = normaliseEnd(choice);
    const delta = asObject(choice['delta']) ?? asObject(choice['message']) ?? {};
    this.normaliser.normalise(delta, end !== undefined);
    for (const detail of asObjects(delta['reasoning_details'])) {
      const part = parseReasoningDetail(detail);
      chunks.push({ type: 'reasoning-delta', index: part.index ?? 0, part });
    }
    const text = asString(delta['content']);
    if (text !== undefined && text !== '') chunks.push({ type: 'text-delta', text, logprobs: asObject(choice['logprobs']) });
    const refusal = asString(delta['refusal']);
    if (refusal !== undefined && refusal !== '') chunks.push({ type: 'refusal-delta', text: refusal });
    for (const call of asObjects(delta['tool_calls'])) this.readToolCall(call, chunks);
    for (const image of asObjects(delta['images'])) {
      const url = asString(asObject(image['image_url'])?.['url']);
      if (url !== undefined) chunks.push({ type: 'image', source: mediaSourceOf(url) });
    }
    const audio = asObject(delta['audio']);
    if (audio) chunks.push({ type: 'audio-delta', audio });
    for (const annotation of asObjects(delta['annotations'])) chunks.push({ type: 'annotation', annotation });
    if (!end) return;
    this.isFinished = true;
    for (const annotation of citationAnnotations(body)) if (isJsonObject(annotation)) chunks.push({ type: 'annotation', annotation });
    for (const index of this.openCalls) chunks.push({ type: 'tool-call-end', index });
    this.openCalls.clear();
    chunks.push({ type: 'finish', ...end });
  }

  private readToolCall(call: JsonObject, chunks: ProviderChunk[]): void {
    const index = typeof call['index'] === 'number' ? call['index'] : 0;
    const definition = asObject(call['function']);
    if (!this.openCalls.has(index)) {
      this.openCalls.add(index);
      chunks.push({ type: 'tool-call-start', index, id: asString(call['id']) ?? '', name: asString(definition?.['name']) ?? '' });
    }
    const pieces = asString(definition?.['arguments']);
    if (pieces !== undefined && pieces !== '') chunks.push({ type: 'tool-call-delta', index, arguments: pieces });
  }
}
