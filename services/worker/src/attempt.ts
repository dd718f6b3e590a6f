import type { Clock } from '@switchyard/core';
import type { CreateExchange, Exchange, UpstreamRequest } from '@switchyard/dialects/provider';
import { SwitchyardError } from '@switchyard/errors';
import type { AttemptHandle, AttemptListener } from '@switchyard/grpc';
import { events, worker } from '@switchyard/proto';
import type { Tracer } from '@switchyard/telemetry';
import { AttemptDeadlines, deadlineLimits } from './attempt-deadlines.js';
import { AttemptNotes } from './attempt-notes.js';
import { AttemptSender } from './attempt-sender.js';
import { beginAttemptTrace, type AttemptTrace } from './attempt-trace.js';
import type { CallHeaders } from './call-headers.js';
import { deadlineError, lateMediaError, type DeadlineStage } from './core/attempt-errors.js';
import type { AttemptResult } from './core/attempt-report.js';
import { exchangeInput } from './core/exchange-input.js';
import { forwardStream } from './forward-stream.js';
import { forwardWhole } from './forward-whole.js';
import type { MediaFetcher } from './media-fetcher.js';
import { ownBytes } from './passing-bytes.js';
import type { ProviderAccess, ProviderAccessBook } from './provider-access.js';
import { ProviderCall } from './provider-call.js';
import type { UpstreamHead, UpstreamHttp } from './upstream-http.js';

export interface AttemptDependencies {
  readonly clock: Clock;
  readonly createExchange: CreateExchange;
  readonly providers: ProviderAccessBook;
  readonly upstream: UpstreamHttp;
  readonly media: MediaFetcher;
  /** Largest whole answer. */
  readonly maxAnswerBytes: number;
  readonly callHeaders: CallHeaders;
  /** Renders what `debug.echo_upstream_body` asks for. */
  readonly renderDebugChunk: (start: worker.StartFrame, upstreamBody: string) => string;
  /** Undefined where nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Called once for every attempt that reached for its provider; answers what was reported, if anything. */
  readonly onCompleted: (start: worker.StartFrame, result: AttemptResult) => events.AttemptCompleted | void;
  /** An exception that nobody foresaw. */
  readonly onUnexpected: (start: worker.StartFrame, error: unknown) => void;
}

/** Debug chunks are outside the window: a slow reader has all of each in memory, and one larger than a message would end the session of many. */
const MAX_ECHOED_LENGTH = 4 * 1024 * 1024;

class AttemptCancelled extends Error {}

/** One attempt against one provider, from the client's bytes to the client's bytes. */
export class Attempt implements AttemptHandle {
  private readonly endpoint: worker.AttemptEndpoint;
  private readonly notes: AttemptNotes;
  private readonly trace: AttemptTrace | undefined;
  private readonly sender: AttemptSender;
  private stopMedia: AbortController | undefined;
  private media: Awaited<ReturnType<MediaFetcher['fetchAll']>> | undefined;
  /** Undefined until it reached for its provider. */
  private call: ProviderCall | undefined;
  private stopError: Error | undefined;
  /** The operator's; never shown. */
  private credential: string | undefined;
  private warnings: readonly string[] = [];
  private isOver = false;

  constructor(
    private readonly start: worker.StartFrame,
    listener: AttemptListener,
    private readonly dependencies: AttemptDependencies,
    /** Called just before the listener learns of the end. */
    private readonly onOver: () => void,
  ) {
    this.endpoint = start.endpoint ?? worker.AttemptEndpoint.create();
    this.notes = new AttemptNotes(start, dependencies.clock);
    this.trace = beginAttemptTrace(dependencies.tracer, start, this.notes.startedAtMs);
    this.sender = new AttemptSender(listener, this.notes, this.trace?.capture, Number(start.initialGrantBytes));
  }

  grant(bytes: number): void {
    this.sender.grant(bytes);
  }

  cancel(reason: string): void {
    this.stop(new AttemptCancelled(reason));
  }

  /** Tells the listener nothing before it returned. Never rejects; the listener's `onEnd` has been called when it resolves. */
  async run(): Promise<void> {
    await Promise.resolve();
    const { clock, providers, createExchange, maxAnswerBytes } = this.dependencies;
    const deadlines = new AttemptDeadlines(deadlineLimits(this.start.deadlines), clock, (stage, limitMs) => this.expire(stage, limitMs));
    try {
      const access = providers.accessTo(this.endpoint);
      this.credential = access.credential;
      const exchange = createExchange(exchangeInput(this.start, this.endpoint, access.manifest));
      const media = exchange.mediaUrls.length === 0 ? undefined : await this.fetchMedia(exchange, deadlines);
      const call = this.ask(exchange, media, access, deadlines);
      const head = await call.answered();
      if (head.status > 299) throw await this.refusal(exchange, call, head);
      this.sender.sendHeaders();
      if (this.start.stream) await forwardStream(exchange, call, this.sender, this.notes);
      else await forwardWhole(exchange, call, this.sender, this.notes, maxAnswerBytes);
      this.complete(call);
    } catch (error) {
      this.fail(this.stopError ?? error);
    } finally {
      deadlines.stop();
    }
  }

  private async fetchMedia(exchange: Exchange, deadlines: AttemptDeadlines): ReturnType<MediaFetcher['fetchAll']> {
    deadlines.onFetching();
    this.stopMedia = new AbortController();
    this.media = await this.dependencies.media.fetchAll(exchange.mediaUrls, this.stopMedia.signal);
    this.throwIfStopped();
    return this.media;
  }

  /** Not within `run`, which would keep the request's text until the end. */
  private ask(exchange: Exchange, media: Parameters<Exchange['buildRequest']>[0], access: ProviderAccess, deadlines: AttemptDeadlines): ProviderCall {
    const request = exchange.buildRequest(media);
    this.warnings = request.warnings;
    this.echo(request);
    return this.callProvider(access, request, deadlines);
  }

  private echo(request: UpstreamRequest): void {
    if (!this.start.echoUpstreamBody || !this.start.stream) return;
    const { body } = request;
    const shown =
      body.length <= MAX_ECHOED_LENGTH ? body : JSON.stringify({ omitted: `The upstream body is too large to be shown: ${Buffer.byteLength(body)} bytes.` });
    this.sender.sendDebugChunk(this.dependencies.renderDebugChunk(this.start, shown));
  }

  private callProvider(access: ProviderAccess, request: UpstreamRequest, deadlines: AttemptDeadlines): ProviderCall {
    const url = access.urlOf(request.path);
    const common = this.dependencies.callHeaders.of(this.start.stream, request.headers, access.headers);
    const traceHeaders = this.traceHeaders(url);
    const headers = traceHeaders === undefined ? common : [...common, ...traceHeaders];
    this.throwIfStopped();
    // A stream's request is kept until its end.
    const body = this.start.stream ? ownBytes(request.body, 0) : request.body;
    deadlines.onAsking();
    this.notes.noteAsked();
    const call = this.dependencies.upstream.post({ url, headers, body }, () => deadlines.onConnected());
    this.call = new ProviderCall(call, this.notes, deadlines, this.providerName, this.credential);
    return this.call;
  }

  /** What lets the provider's own trace continue ours, or the client's where ours is not recorded. */
  private traceHeaders(url: URL): readonly string[] | undefined {
    const { tracer, clock } = this.dependencies;
    if (!tracer || this.start.traceparent === '') return undefined;
    const traceparent = this.trace?.calling({ url, startedAtMs: clock.monotonicMs() }) ?? this.start.traceparent;
    if (!tracer.config.outgoing) return undefined;
    return this.start.tracestate === '' ? ['traceparent', traceparent] : ['traceparent', traceparent, 'tracestate', this.start.tracestate];
  }

  /** A status that is not success, as the dialect reads it. */
  private async refusal(exchange: Exchange, call: ProviderCall, head: UpstreamHead): Promise<SwitchyardError> {
    const text = await call.refusalText();
    this.throwIfStopped();
    call.discard();
    return call.failed(exchange.readError(head.status, head.headers, text, this.dependencies.clock.nowMs()));
  }

  private complete(call: ProviderCall): void {
    // What may still come is not awaited.
    call.discard();
    this.notes.settleUsage();
    this.notes.addRequestFee();
    this.sender.sendUsage(true);
    this.report(events.AttemptOutcome.COMPLETED, undefined);
    this.end(worker.AttemptEnd.COMPLETED, undefined);
  }

  private fail(cause: unknown): void {
    // The listener itself failed on its end.
    if (this.isOver) return this.dependencies.onUnexpected(this.start, cause);
    if (this.notes.upstreamStatus > 299) this.call?.discard();
    else this.call?.abort(cause instanceof Error ? cause : new Error('failed'));
    const isCancelled = cause instanceof AttemptCancelled;
    const error = isCancelled ? undefined : this.typed(cause);
    const isOurs = isCancelled || this.sender.isPaused;
    // What we leave is billed from the prompt on; a provider that fails before it counted anything bills nothing.
    if (this.notes.hasOutput || (isOurs && this.notes.isAccepted)) {
      this.notes.settleUsage();
      if (isOurs) this.notes.addRequestFee();
      this.sender.sendUsage(true);
    }
    this.report(isOurs ? events.AttemptOutcome.CANCELLED : events.AttemptOutcome.UPSTREAM_FAILED, error);
    this.end(isCancelled ? worker.AttemptEnd.CANCELLED : worker.AttemptEnd.FAILED, error);
  }

  private report(outcome: events.AttemptOutcome, error: SwitchyardError | undefined): void {
    const { notes, start, dependencies } = this;
    notes.end(outcome, error);
    try {
      // What never reached for its provider cost nothing.
      const event = this.call === undefined ? undefined : (dependencies.onCompleted(start, notes) ?? undefined);
      this.trace?.record(notes, event, dependencies.clock.monotonicMs(), this.credential);
    } catch (unforeseen) {
      // Whatever goes wrong with the books, the client's answer has its end.
      dependencies.onUnexpected(start, unforeseen);
    }
  }

  private end(end: worker.AttemptEnd, error: SwitchyardError | undefined): void {
    this.isOver = true;
    if (this.media) this.dependencies.media.release(this.media);
    this.onOver();
    this.sender.sendEnd(end, error, this.warnings);
  }

  /** Ends all waiting with this error; the first one counts. */
  private stop(error: Error): void {
    if (this.isOver || this.stopError !== undefined) return;
    this.stopError = error;
    this.call?.abort(error);
    this.sender.abort(error);
    this.stopMedia?.abort(error);
  }

  private expire(stage: DeadlineStage, limitMs: number): void {
    // Until the provider is asked only pictures take time.
    this.stop(this.call === undefined ? lateMediaError(limitMs) : deadlineError(stage, this.providerName, limitMs));
  }

  private throwIfStopped(): void {
    if (this.stopError !== undefined) throw this.stopError;
  }

  private typed(cause: unknown): SwitchyardError {
    if (cause instanceof SwitchyardError) return cause;
    this.dependencies.onUnexpected(this.start, cause);
    return new SwitchyardError('server', 'The worker failed.', { cause });
  }

  private get providerName(): string {
    return this.endpoint.providerName || this.endpoint.providerSlug || 'The provider';
  }
}
