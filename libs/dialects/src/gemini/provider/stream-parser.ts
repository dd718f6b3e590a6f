import { asArray, asObject, asObjects, asString, type JsonObject } from '@switchyard/core';
import { parseEventData, UNREADABLE_EVENT } from '../../event-data.js';
import type { ProviderChunk, ProviderStreamParser, StreamFinish } from '../../provider-dialect.js';
import { serviceTierOf } from '../../service-tier.js';
import { SseParser } from '../../sse-parser.js';
import { GEMINI_FORMAT } from './build-contents.js';
import { failureInside, finishReasonOf, groundingAnnotations, logprobsOf } from './candidate.js';
import { geminiMeters, hasCounts } from './meters.js';
import { callId, inlineMedia, signatureOf } from './parse-response.js';
import { PartialArguments } from './partial-arguments.js';

/** `streamGenerateContent?alt=sse`: each event is a GenerateContentResponse with the next parts. */
export class GeminiStreamParser implements ProviderStreamParser {
  /** No last word: the stream just closes after the event with `finishReason`. */
  readonly isDone = false;
  private readonly sse = new SseParser();
  private hasStarted = false;
  private isFinished = false;
  private calls = 0;
  /** Of the event's tokens, until its text is there to tell them with. */
  private logprobs: JsonObject | undefined;
  private openCall: { readonly index: number; readonly partial: PartialArguments } | undefined;

  push(bytes: Uint8Array): readonly ProviderChunk[] {
    const chunks: ProviderChunk[] = [];
    for (const { data } of this.sse.push(bytes)) if (data.trim() !== '') this.read(parseEventData(data), chunks);
    return chunks;
  }

  finish(): StreamFinish {
    return { chunks: [], outcome: this.isFinished ? 'finished' : 'truncated' };
  }

  private read(body: JsonObject | undefined, chunks: ProviderChunk[]): void {
    if (!body) return void chunks.push({ type: 'error', error: UNREADABLE_EVENT });
    const usage = asObject(body['usageMetadata']);
    const error = failureInside(body);
    if (!this.hasStarted && !error) {
      this.hasStarted = true;
      chunks.push({
        type: 'message-start',
        upstreamId: asString(body['responseId']),
        upstreamModel: asString(body['modelVersion']),
        serviceTier: serviceTierOf(usage?.['serviceTier']),
      });
    }
    const candidate = asObject(asArray(body['candidates'])?.[0]);
    this.logprobs = candidate && logprobsOf(candidate);
    for (const part of asObjects(asObject(candidate?.['content'])?.['parts'])) this.readPart(part, asString(body['responseId']), chunks);
    if (candidate && !error) this.readEnd(candidate, chunks);
    if (usage && hasCounts(usage)) chunks.push({ type: 'usage', meters: geminiMeters(usage) });
    if (error) chunks.push({ type: 'error', error });
  }

  private readEnd(candidate: JsonObject, chunks: ProviderChunk[]): void {
    const native = asString(candidate['finishReason']);
    for (const annotation of groundingAnnotations(candidate)) chunks.push({ type: 'annotation', annotation });
    if (native === undefined) return;
    this.closeCall(chunks);
    this.isFinished = true;
    chunks.push({ type: 'finish', finishReason: finishReasonOf(native, this.calls > 0), nativeFinishReason: native });
  }

  private readPart(part: JsonObject, responseId: string | undefined, chunks: ProviderChunk[]): void {
    const call = asObject(part['functionCall']);
    if (call) return this.readCall(part, call, responseId, chunks);
    const signature = signatureOf(part);
    const text = asString(part['text']);
    if (text !== undefined && part['thought'] === true) {
      if (text !== '') chunks.push({ type: 'reasoning-delta', index: 0, part: { kind: 'reasoning', variant: 'text', text, format: GEMINI_FORMAT, index: 0 } });
      return;
    }
    const source = inlineMedia(part);
    if (source?.mediaType.startsWith('image/')) chunks.push({ type: 'image', source, signature });
    else if (source?.mediaType.startsWith('audio/')) chunks.push({ type: 'audio-delta', audio: { data: source.data } });
    else if ((text !== undefined && text !== '') || signature) {
      chunks.push({ type: 'text-delta', text: text ?? '', signature, logprobs: this.logprobs });
      this.logprobs = undefined;
    }
  }

  /** A call comes whole, or opens with `willContinue`, goes on in nameless pieces and ends with an empty one. */
  private readCall(part: JsonObject, call: JsonObject, responseId: string | undefined, chunks: ProviderChunk[]): void {
    const name = asString(call['name']);
    if (name !== undefined) {
      this.closeCall(chunks);
      const index = this.calls++;
      this.openCall = { index, partial: new PartialArguments(asObject(call['args'])) };
      chunks.push({ type: 'tool-call-start', index, id: callId(part, responseId, index), name, signature: signatureOf(part) });
    }
    this.openCall?.partial.add(call['partialArgs']);
    if (call['willContinue'] !== true) this.closeCall(chunks);
  }

  private closeCall(chunks: ProviderChunk[]): void {
    if (!this.openCall) return;
    const { index, partial } = this.openCall;
    this.openCall = undefined;
    chunks.push({ type: 'tool-call-delta', index, arguments: partial.toJson() }, { type: 'tool-call-end', index });
  }
}
