import { asArray, asObject, asString, isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';
import type { AnswerIdentity } from '../client-dialect.js';
import type { DialectManifest } from '../dialect-manifest.js';
import { parseEventData, UNREADABLE_EVENT } from '../event-data.js';
import type { ExchangeAnswer, ExchangeStream, ProviderStatement, StreamProgress } from '../exchange.js';
import { SseParser } from '../sse-parser.js';
import { StreamTally } from '../stream-tally.js';
import { citationAnnotations, costInside, failureInside, metersInside, normaliseEnd } from './provider/answer-envelope.js';
import { AnswerNormaliser } from './provider/answer-normaliser.js';
import { notADialect } from './provider/parse-response.js';

/** Keys of a chunk that, without a choice, tell a client nothing. */
const ENVELOPE_KEYS = new Set(
  'id object created model choices usage system_fingerprint service_tier obfuscation x_groq provider citations search_results num_sources_used'.split(' '),
);

/**
 * openai-chat → openai-chat: the provider's chunks, edited in place and written again. One parse and one write per
 * chunk; fields we do not know survive.
 */
export class SameDialectStream implements ExchangeStream {
  private readonly sse = new SseParser();
  private readonly normaliser: AnswerNormaliser;
  private readonly tally = new StreamTally();
  private isDone = false;
  private hasRole = false;
  private readonly otherFields = new OtherFields();
  /** The fields that are the same in every chunk, written once. */
  private readonly head: string;

  constructor(
    identity: AnswerIdentity,
    private readonly manifest: DialectManifest,
    excludeReasoning: boolean,
  ) {
    this.normaliser = new AnswerNormaliser(manifest.openaiChat, { isStream: true, excludeReasoning });
    const { generationId: id, providerName: provider, model, created } = identity;
    this.head = JSON.stringify({ id, provider, model, object: 'chat.completion.chunk', created }).slice(0, -1);
  }

  push(bytes: Uint8Array): StreamProgress {
    const { tally } = this;
    tally.hasContent = false;
    let out = '';
    for (const { data } of this.sse.push(bytes)) {
      // Whatever a provider says after its last word is not part of the answer.
      if (tally.error || this.isDone) break;
      if (data === '[DONE]') this.isDone = true;
      else if (data !== '' && data.trim() !== '') out += this.edit(parseEventData(data));
    }
    return tally.progress(out, this.isDone);
  }

  finish(): StreamProgress & { readonly outcome: 'finished' | 'truncated' } {
    this.tally.hasContent = false;
    return { ...this.tally.progress('', this.isDone), outcome: this.isDone || this.tally.hasFinishReason ? 'finished' : 'truncated' };
  }

  get statement(): ProviderStatement {
    return this.tally.statement;
  }

  private edit(chunk: JsonObject | undefined): string {
    const { tally } = this;
    tally.error = chunk ? failureInside(chunk, this.manifest) : UNREADABLE_EVENT;
    if (!chunk || tally.error) return '';
    const meters = metersInside(chunk, this.manifest);
    tally.upstreamId ??= asString(chunk['id']);
    tally.upstreamModel ??= asString(chunk['model']);
    tally.serviceTier = asString(chunk['service_tier']) ?? tally.serviceTier;
    const choices = asArray(chunk['choices']) ?? [];
    for (const choice of choices) if (isJsonObject(choice)) this.editChoice(choice, chunk);
    if (meters) tally.noteUsage(meters, costInside(chunk, this.manifest));
    if (choices.length === 0 && Object.keys(chunk).every((key) => ENVELOPE_KEYS.has(key))) return '';
    return `data: ${this.head},"choices":${JSON.stringify(choices)}${this.otherFields.textOf(chunk)}}\n\n`;
  }

  private editChoice(choice: JsonObject, chunk: JsonObject): void {
    const end = normaliseEnd(choice);
    choice['index'] ??= 0;
    const delta = asObject(choice['delta']) ?? asObject(choice['message']) ?? {};
    choice['delta'] = delta;
    if (choice['message'] !== undefined) delete choice['message'];
    this.sayRoleOnce(delta);
    const facts = this.normaliser.normalise(delta, end !== undefined);
    this.tally.hasContent ||= facts.hasContent;
    this.tally.addOutput(facts.outputBytes, facts.reasoningBytes);
    if (!end) return;
    this.tally.noteFinish(end.finishReason, end.nativeFinishReason);
    addCitations(delta, chunk);
  }

  /** OpenAI's client for Python joins the texts of all chunks, the role's too; others miss one that never came. */
  private sayRoleOnce(delta: JsonObject): void {
    if (!this.hasRole) delta['role'] = 'assistant';
    else if (delta['role'] !== undefined) delete delta['role'];
    this.hasRole = true;
  }
}

/** Fields that every chunk gets from us, or that the ingress writes once per answer. */
const REPLACED_KEYS = new Set(['id', 'provider', 'model', 'object', 'created', 'choices', 'usage']);

/** Everything else that a chunk holds, as JSON text to append. */
class OtherFields {
  private fingerprint: JsonValue | undefined;
  private fingerprintText = '';

  textOf(chunk: JsonObject): string {
    let text = '';
    for (const key in chunk) {
      if (REPLACED_KEYS.has(key)) continue;
      const value = key === 'x_groq' ? withoutUsage(chunk[key]) : chunk[key];
      // Strict clients refuse a null fingerprint in chunks; a null tier says nothing.
      if (value === undefined || (value === null && (key === 'system_fingerprint' || key === 'service_tier'))) continue;
      text += key === 'system_fingerprint' ? this.fingerprintField(value) : field(key, value);
    }
    return text;
  }

  /** Providers repeat it in every chunk. */
  private fingerprintField(value: JsonValue): string {
    if (value !== this.fingerprint) {
      this.fingerprint = value;
      this.fingerprintText = field('system_fingerprint', value);
    }
    return this.fingerprintText;
  }
}

function field(key: string, value: JsonValue): string {
  return `,${JSON.stringify(key)}:${JSON.stringify(value)}`;
}

function withoutUsage(value: JsonValue | undefined): JsonValue | undefined {
  if (!isJsonObject(value)) return value;
  const { usage: _usage, ...rest } = value;
  return rest;
}

/** The provider's whole answer, edited in place. @throws SwitchyardError `provider_unavailable` */
export function editWholeAnswer(value: JsonValue, identity: AnswerIdentity, manifest: DialectManifest, excludeReasoning: boolean): ExchangeAnswer {
  const body = Array.isArray(value) ? value[0] : value;
  if (!isJsonObject(body)) throw notADialect();
  const error = failureInside(body, manifest);
  const choice = asObject(asArray(body['choices'])?.[0]);
  if (!choice && !error) throw notADialect();
  const meters = metersInside(body, manifest);
  const upstreamId = asString(body['id']);
  const statement = { model: asString(body['model']), costUsd: costInside(body, manifest) };
  const end = choice ? normaliseEnd(choice) : undefined;
  const facts = choice ? editMessageOf(choice, body, manifest, excludeReasoning) : { outputBytes: 0, reasoningBytes: 0 };
  return {
    bytes: Buffer.from(JSON.stringify(renamed(body, choice, identity))),
    finishReason: end?.finishReason ?? null,
    nativeFinishReason: end?.nativeFinishReason ?? null,
    meters,
    outputBytes: facts.outputBytes,
    reasoningBytes: facts.reasoningBytes,
    upstreamId,
    serviceTier: asString(body['service_tier']),
    error,
    statement,
  };
}

function editMessageOf(
  choice: JsonObject,
  body: JsonObject,
  manifest: DialectManifest,
  excludeReasoning: boolean,
): { outputBytes: number; reasoningBytes: number } {
  const message = asObject(choice['message']) ?? {};
  choice['message'] = message;
  choice['index'] ??= 0;
  const facts = new AnswerNormaliser(manifest.openaiChat, { isStream: false, excludeReasoning }).normalise(message, true);
  message['role'] = 'assistant';
  message['content'] ??= null;
  addCitations(message, body);
  return facts;
}

/** The answer under the client's names. A new object, because one that fields are deleted from is slow to write. */
function renamed(body: JsonObject, choice: JsonObject | undefined, identity: AnswerIdentity): JsonObject {
  const answer: JsonObject = {
    id: identity.generationId,
    provider: identity.providerName,
    model: identity.model,
    object: 'chat.completion',
    created: identity.created,
    choices: choice ? [choice] : [],
    // Here the strict clients want the key, and null is fine; in chunks it is the other way round.
    system_fingerprint: asString(body['system_fingerprint']) ?? null,
  };
  for (const key in body) {
    // The ingress writes usage, with the cost, once per answer.
    if (REPLACED_KEYS.has(key) || key === 'system_fingerprint') continue;
    const value = key === 'x_groq' ? (withoutUsage(body[key]) ?? null) : body[key]!;
    if (value !== null || key !== 'service_tier') answer[key] = value;
  }
  return answer;
}

function addCitations(target: JsonObject, body: JsonObject): void {
  if (target['annotations'] !== undefined) return;
  const annotations = citationAnnotations(body);
  if (annotations.length > 0) target['annotations'] = [...annotations];
}
