import type { Clock } from '@switchyard/core';
import { completionTokenCount, picoToUsd, promptTokenCount } from '@switchyard/core';
import { renderError, renderStreamError } from '@switchyard/api';
import type { AnswerIdentity, AnswerTail, ClientDialect } from '@switchyard/dialects';
import type { SwitchyardError } from '@switchyard/errors';
import type { PlanCandidate } from '@switchyard/routing';
import type { AttemptOutput } from '../attempt.js';
import { servedTier, type AttemptRecord, type Generation } from '../core/generation.js';
import type { Settlement } from '../core/settlement.js';
import { usageView } from '../core/usage-view.js';
import type { RequestTrace } from '../request-trace.js';
import type { ClientResponse, ResponseHeaders } from './client-response.js';
import type { KeepAlive } from './keep-alive.js';

/** A generation's answer on its way to the client. The two ways to send one, streamed and whole, differ in nothing else. */
export interface GenerationAnswer extends AttemptOutput {
  readonly isClientGone: boolean;
  /** From here on the answer can say whose it is. */
  open(generation: Generation): void;
  beginAttempt(candidate: PlanCandidate): void;
  /** The last bytes: usage with cost, and the end. False when the client did not take them. */
  complete(generation: Generation, attempt: AttemptRecord, settlement: Settlement): Promise<boolean>;
  /** The typed error: a status before the first byte, else the stream's last chunk. */
  fail(error: SwitchyardError): Promise<boolean>;
}

abstract class BaseAnswer {
  protected generation!: Generation;
  protected candidate: PlanCandidate | undefined;

  constructor(
    protected readonly response: ClientResponse,
    protected readonly dialect: ClientDialect,
    protected readonly clock: Clock,
  ) {}

  get isClientGone(): boolean {
    return this.response.isGone;
  }

  /** Undefined where the request failed before it became a generation. */
  get generationId(): string | undefined {
    return (this.generation as Generation | undefined)?.id;
  }

  open(generation: Generation): void {
    this.generation = generation;
  }

  beginAttempt(candidate: PlanCandidate): void {
    this.candidate = candidate;
  }

  onDrain(listener: (() => void) | undefined): void {
    this.response.onDrain(listener);
  }

  onGone(listener: (() => void) | undefined): void {
    this.response.onGone(listener);
  }

  /** None before the generation has an id. */
  private errorHeaders(): ResponseHeaders {
    if (!this.generation) return [];
    if (this.candidate) return this.headers(Math.max(1, this.generation.attempts.length));
    return ['x-generation-id', this.generation.id, ...traceIdHeader(this.generation.trace)];
  }

  protected headers(attemptCount: number): string[] {
    const headers = ['x-generation-id', this.generation.id, 'x-switchyard-attempts', String(attemptCount)];
    if (this.generation.trace) headers.push(...traceIdHeader(this.generation.trace));
    if (this.candidate) headers.push('x-switchyard-provider', this.candidate.endpoint.providerSlug, 'x-switchyard-model', this.candidate.publicModel);
    return headers;
  }

  protected identity(): AnswerIdentity {
    return {
      generationId: this.generation.id,
      model: this.candidate?.publicModel ?? this.generation.request.routing.model ?? '',
      providerName: this.candidate?.endpoint.providerName ?? '',
      created: Math.floor(this.generation.acceptTimeMs / 1000),
    };
  }

  protected failBeforeBytes(error: SwitchyardError): Promise<boolean> {
    return sendError(this.response, error, this.errorHeaders());
  }
}

/** Server-sent events. Headers leave with the first content, or earlier with a keep-alive comment. */
export class StreamedAnswer extends BaseAnswer implements GenerationAnswer {
  constructor(
    response: ClientResponse,
    dialect: ClientDialect,
    clock: Clock,
    private readonly keepAlive: KeepAlive,
  ) {
    super(response, dialect, clock);
  }

  override open(generation: Generation): void {
    super.open(generation);
    this.keepAlive.add(this);
  }

  /** Shows a waiting client, and whatever is between, that the connection lives. */
  keepAliveIfSilent(silentMs: number): void {
    const nowMs = this.clock.monotonicMs();
    const waitedMs = Math.min(this.response.silentForMs(nowMs), nowMs - this.generation.startedAtMs);
    if (waitedMs < silentMs || this.response.isGone) return;
    this.begin();
    this.response.write(this.dialect.keepAliveComment, nowMs);
  }

  commit(): void {
    this.begin();
  }

  write(bytes: Uint8Array): boolean {
    return this.response.write(bytes, this.clock.monotonicMs());
  }

  writeDebug(bytes: Uint8Array): void {
    this.begin();
    this.response.write(bytes, this.clock.monotonicMs());
  }

  complete(generation: Generation, attempt: AttemptRecord, settlement: Settlement): Promise<boolean> {
    this.keepAlive.remove(this);
    this.begin();
    const apiType = generation.request.apiType === 'completions' ? 'completions' : 'chat';
    const usage = usageView(settlement.meters, settlement.charge);
    const tail = this.dialect.renderUsageChunk(usage, this.identity(), apiType, answerTail(generation, attempt, servedTier(attempt))) + this.dialect.streamEnd;
    return this.response.end(tail);
  }

  fail(error: SwitchyardError): Promise<boolean> {
    this.keepAlive.remove(this);
    if (!this.response.headersSent) return this.failBeforeBytes(error);
    const { generationId, model, created, providerName } = this.identity();
    const object = this.generation.request.apiType === 'completions' ? 'text_completion' : 'chat.completion.chunk';
    return this.response.end(renderStreamError(error, { id: generationId, model, created, object, ...(providerName ? { provider: providerName } : {}) }));
  }

  close(): void {
    this.keepAlive.remove(this);
  }

  private begin(): void {
    if (this.response.headersSent || this.response.isGone) return;
    const headers = this.headers(this.generation.attempts.length + 1);
    headers.push('x-switchyard-time-to-first-token-ms', String(Math.round(this.clock.monotonicMs() - this.generation.startedAtMs)));
    this.response.beginStream(headers);
  }
}

/** One JSON body, held back until its end is known: a failed attempt leaves nothing behind, and headers can tell tokens and cost. */
export class WholeAnswer extends BaseAnswer implements GenerationAnswer {
  private pieces: Uint8Array[] = [];

  override beginAttempt(candidate: PlanCandidate): void {
    super.beginAttempt(candidate);
    this.pieces = [];
  }

  commit(): void {
    // Nothing has left: a whole answer may fall back until its last byte.
  }

  write(bytes: Uint8Array): boolean {
    this.pieces.push(bytes);
    return true;
  }

  writeDebug(): void {
    // Debug chunks exist in streams only.
  }

  complete(generation: Generation, attempt: AttemptRecord, settlement: Settlement): Promise<boolean> {
    const last = this.pieces.pop();
    if (last) this.pieces.push(last.subarray(0, last.byteLength - 1));
    const usage = usageView(settlement.meters, settlement.charge);
    const tail = this.dialect.renderWholeTail(usage, generation.request.apiType, wholeTail(generation, attempt));
    const headers = this.headers(generation.attempts.length);
    headers.push('x-switchyard-time-to-first-token-ms', String(Math.round(attempt.firstContentMs ?? attempt.durationMs)));
    headers.push('x-switchyard-prompt-tokens', String(promptTokenCount(settlement.meters)));
    headers.push('x-switchyard-completion-tokens', String(completionTokenCount(settlement.meters)));
    headers.push('x-switchyard-cost-usd', picoToUsd(settlement.charge.amountPico));
    return this.response.sendWhole(200, headers, [...this.pieces, tail]);
  }

  fail(error: SwitchyardError): Promise<boolean> {
    return this.failBeforeBytes(error);
  }

  close(): void {
    this.pieces = [];
  }
}

/** The typed error as a whole answer of its own. */
export function sendError(response: ClientResponse, error: SwitchyardError, headers: ResponseHeaders): Promise<boolean> {
  const rendered = renderError(error);
  return response.sendWhole(rendered.status, [...headers, ...Object.entries(rendered.headers).flat()], [JSON.stringify(rendered.body)]);
}

/** Where the request is recorded, its trace can be looked up. */
export function traceIdHeader(trace: RequestTrace | undefined): ResponseHeaders {
  return trace?.context ? ['x-switchyard-trace-id', trace.context.traceId] : [];
}

/** What the provider said of its tier is in the body already. */
function wholeTail(generation: Generation, attempt: AttemptRecord): AnswerTail {
  return answerTail(generation, attempt, attempt.serviceTier === '' ? servedTier(attempt) : '');
}

function answerTail(generation: Generation, attempt: AttemptRecord, serviceTier: string): AnswerTail {
  const warnings = [...generation.warnings, ...attempt.warnings];
  return { ...(warnings.length > 0 ? { warnings } : {}), ...(serviceTier === '' ? {} : { serviceTier }) };
}
