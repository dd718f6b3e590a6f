import type { Clock, Meters } from '@switchyard/core';
import type {
  CreateExchange,
  Exchange,
  ExchangeAnswer,
  ExchangeStream,
  ProviderStatement,
  StreamProgress,
  UpstreamFailure,
  UpstreamRequest,
} from '@switchyard/dialects/provider';
import { SwitchyardError } from '@switchyard/errors';
import type { AttemptHandle, AttemptListener } from '@switchyard/grpc';
import { common, events, worker } from '@switchyard/proto';
import type { Tracer } from '@switchyard/telemetry';
import { AttemptDeadlines, deadlineLimits } from './attempt-deadlines.js';
import { beginAttemptTrace, type AttemptTrace } from './attempt-trace.js';
import { AttemptWindow } from './attempt-window.js';
import type { ContentCapture } from './content-capture.js';
import { deadlineError, errorDetail, transportError, upstreamFailureError, type DeadlineStage } from './core/attempt-errors.js';
import { countsOf, type AttemptResult } from './core/attempt-report.js';
import { bytesWithin, estimateMeters, isCredible } from './core/estimate-usage.js';
import { exchangeInput } from './core/exchange-input.js';
import type { MediaFetcher } from './media-fetcher.js';
import type { ProviderAccess, ProviderAccessBook } from './provider-access.js';
import { decodedBody, readBeginning, readWhole, type PulledBody } from './upstream-body.js';
import type { UpstreamCall, UpstreamHead, UpstreamHttp } from './upstream-http.js';

export interface AttemptDependencies {
  readonly clock: Clock;
  readonly createExchange: CreateExchange;
  readonly providers: ProviderAccessBook;
  readonly upstream: UpstreamHttp;
  readonly media: MediaFetcher;
  /** Largest whole answer. */
  readonly maxAnswerBytes: number;
  readonly userAgent: string;
  /** Renders what `debug.echo_upstream_body` asks for. */
  readonly renderDebugChunk: (start: worker.StartFrame, upstreamBody: string) => string;
  /** Undefined where nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Called once for every attempt that reached for its provider; answers what was reported, if anything. */
  readonly onCompleted: (start: worker.StartFrame, result: AttemptResult) => events.AttemptCompleted | void;
  /** An exception that nobody foresaw. */
  readonly onUnexpected: (start: worker.StartFrame, error: unknown) => void;
}

const MAX_ERROR_BYTES = 64 * 1024;
/** A stream is read in steps of the window, yet never in smaller ones than this. */
const MIN_PULL_BYTES = 4 * 1024;
/** Smaller pieces of a stream are of Node's shared pool, which is quicker. */
const MIN_OWN_BYTES = 2 * 1024;
/** Whole answers leave in pieces of this size. */
const PIECE_BYTES = 32 * 1024;

const MAX_BYTES_PER_CODE_UNIT = 3;
/** For texts that are handed on at once, of all attempts. */
const passing = Buffer.allocUnsafeSlow(MAX_BYTES_PER_CODE_UNIT * 64 * 1024);

class AttemptCancelled extends Error {}

/** One attempt against one provider, from the client's bytes to the client's bytes. */
export class Attempt implements AttemptHandle {
  private readonly window: AttemptWindow;
  private readonly endpoint: worker.AttemptEndpoint;
  private readonly startTimeMs: number;
  private readonly startMonotonicMs: number;
  private readonly trace: AttemptTrace | undefined;
  private readonly capture: ContentCapture | undefined;
  private stopMedia: AbortController | undefined;
  private deadlines: AttemptDeadlines | undefined;
  private call: UpstreamCall | undefined;
  /** What tells what the provider says of its answer. */
  private answering: { readonly statement: ProviderStatement } | undefined;
  private stopError: Error | undefined;
  /** The operator's; never shown. */
  private credential: string | undefined;
  private isPaused = false;
  private isOver = false;

  private warnings: readonly string[] = [];
  private upstreamStatus = 0;
  private upstreamId = '';
  private serviceTier = '';
  private meters: Meters | undefined;
  /** The provider counted when it had finished, so these meters are its last. */
  private isUsageFinal = false;
  /** Of the provider's body, whatever they are. */
  private receivedBytes = 0;
  private outputBytes = 0;
  private reasoningBytes = 0;
  private finishReason = '';
  private firstTokenMs: number | undefined;

  constructor(
    private readonly start: worker.StartFrame,
    private readonly listener: AttemptListener,
    private readonly dependencies: AttemptDependencies,
    /** Called just before the listener learns of the end. */
    private readonly onOver: () => void,
  ) {
    this.window = new AttemptWindow(Number(start.initialGrantBytes));
    this.endpoint = start.endpoint ?? worker.AttemptEndpoint.create();
    this.startTimeMs = dependencies.clock.nowMs();
    this.startMonotonicMs = dependencies.clock.monotonicMs();
    this.trace = beginAttemptTrace(dependencies.tracer, start, this.startMonotonicMs);
    this.capture = this.trace?.capture;
  }

  grant(bytes: number): void {
    this.window.grant(bytes);
  }

  cancel(reason: string): void {
    this.stop(new AttemptCancelled(reason));
  }

  /** Never rejects; the listener's `onEnd` has been called when it resolves. */
  async run(): Promise<void> {
    this.deadlines = new AttemptDeadlines(deadlineLimits(this.start.deadlines), this.dependencies.clock, (stage, limitMs) => this.expire(stage, limitMs));
    try {
      const access = this.dependencies.providers.accessTo(this.endpoint);
      this.credential = access.credential;
      const exchange = this.dependencies.createExchange(exchangeInput(this.start, this.endpoint, access.manifest));
      const request = exchange.buildRequest(exchange.mediaUrls.length === 0 ? undefined : await this.fetchMedia(exchange));
      this.warnings = request.warnings;
      this.echo(request);
      const { head, body } = await this.send(access, request);
      if (head.status > 299) throw await this.refusal(exchange, head, body);
      this.listener.onHeaders({ upstreamStatus: head.status, upstreamId: this.upstreamId });
      if (this.start.stream) await this.streamAnswer(exchange, head, body);
      else await this.wholeAnswer(exchange, head, body);
      this.complete();
    } catch (error) {
      this.fail(this.stopError ?? error);
    } finally {
      this.deadlines.stop();
    }
  }

  private async fetchMedia(exchange: Exchange): ReturnType<MediaFetcher['fetchAll']> {
    this.stopMedia = new AbortController();
    const media = await this.dependencies.media.fetchAll(exchange.mediaUrls, this.stopMedia.signal);
    this.throwIfStopped();
    this.deadlines?.restartConnect();
    return media;
  }

  private echo(request: UpstreamRequest): void {
    if (!this.start.echoUpstreamBody || !this.start.stream) return;
    const chunk = this.dependencies.renderDebugChunk(this.start, request.body);
    this.listener.onData(worker.DataFrame.create({ bytes: Buffer.from(chunk), isDebug: true }));
  }

  private async send(access: ProviderAccess, request: UpstreamRequest): Promise<{ head: UpstreamHead; body: PulledBody }> {
    const url = access.urlOf(request.path);
    const headers = {
      'content-type': 'application/json',
      accept: this.start.stream ? 'text/event-stream' : 'application/json',
      'accept-encoding': 'identity',
      'user-agent': this.dependencies.userAgent,
      ...request.headers,
      ...access.headers,
      ...this.traceHeaders(url),
    };
    this.throwIfStopped();
    // A stream's request is kept until its end.
    const body = this.start.stream ? ownBytes(request.body, 0) : request.body;
    this.call = this.dependencies.upstream.post({ url, headers, body }, () => this.deadlines?.onConnected());
    try {
      const head = await this.call.answered();
      this.upstreamStatus = head.status;
      this.upstreamId = requestIdOf(head);
      return { head, body: decodedBody(this.call, head.headers['content-encoding'], this.providerName) };
    } catch (error) {
      throw transportError(error, this.providerName);
    }
  }

  /** What lets the provider's own trace continue ours, or the client's where ours is not recorded. */
  private traceHeaders(url: URL): Readonly<Record<string, string>> | undefined {
    const { tracer, clock } = this.dependencies;
    if (!tracer || this.start.traceparent === '') return undefined;
    const traceparent = this.trace?.calling({ url, startedAtMs: clock.monotonicMs() }) ?? this.start.traceparent;
    if (!tracer.config.outgoing) return undefined;
    return this.start.tracestate === '' ? { traceparent } : { traceparent, tracestate: this.start.tracestate };
  }

  /** A status that is not success, as the dialect reads it. */
  private async refusal(exchange: Exchange, head: UpstreamHead, body: PulledBody): Promise<SwitchyardError> {
    const text = await readBeginning(body, MAX_ERROR_BYTES).catch(() => Buffer.alloc(0));
    this.throwIfStopped();
    this.call?.discard();
    return upstreamFailureError(exchange.readError(head.status, head.headers, text, this.dependencies.clock.nowMs()), this.credential);
  }

  private async streamAnswer(exchange: Exchange, head: UpstreamHead, body: PulledBody): Promise<void> {
    const contentType = contentTypeOf(head);
    if (contentType === 'application/json') throw await this.jsonInsteadOfStream(exchange, body);
    if (contentType !== '' && contentType !== 'text/event-stream') throw this.wrongContentType(contentType);
    let failure: UpstreamFailure | undefined;
    try {
      const stream = exchange.openStream();
      this.answering = stream;
      failure = await this.forwardStream(stream, body);
    } catch (error) {
      if (!this.isWhole || !((this.stopError ?? error) instanceof SwitchyardError)) throw error;
      return;
    }
    if (failure === undefined) this.isUsageFinal ||= !this.isWhole;
    else if (!this.isWhole || failure.isUnreadable !== true) throw upstreamFailureError(failure, this.credential);
  }

  /** With its finish reason an answer is whole: what breaks afterwards takes nothing from the client, but perhaps the usage from us. */
  private get isWhole(): boolean {
    return this.finishReason !== '' && this.finishReason !== 'error';
  }

  /** To the provider's last word, or to the failure that it reported. */
  private async forwardStream(stream: ExchangeStream, body: PulledBody): Promise<UpstreamFailure | undefined> {
    for (;;) {
      await this.waitForRoom();
      const bytes = await this.pull(body, Math.max(this.window.bytesLeft, MIN_PULL_BYTES));
      const end = this.advance(stream, bytes);
      if (end !== undefined) return end.failure;
    }
  }

  /** Gives something once the stream is over. Not within the loop, which would keep the last text while it waits for the reader. */
  private advance(stream: ExchangeStream, bytes: Uint8Array | undefined): { readonly failure: UpstreamFailure | undefined } | undefined {
    const progress = bytes === undefined ? stream.finish() : stream.push(bytes);
    this.forward(progress);
    if (progress.error !== undefined) return { failure: progress.error };
    if (progress.done) return { failure: undefined };
    if (bytes !== undefined) return undefined;
    if ('outcome' in progress && progress.outcome === 'finished') return { failure: undefined };
    throw this.cut();
  }

  private async wholeAnswer(exchange: Exchange, head: UpstreamHead, body: PulledBody): Promise<void> {
    const contentType = contentTypeOf(head);
    if (contentType !== '' && !/[/+]json$/.test(contentType)) throw this.wrongContentType(contentType);
    const answer = await this.readAnswer(exchange, body);
    this.answering = answer;
    this.meters = answer.meters;
    this.isUsageFinal = true;
    this.outputBytes = answer.outputBytes;
    this.reasoningBytes = answer.reasoningBytes;
    this.finishReason = answer.finishReason ?? '';
    this.upstreamId = answer.upstreamId ?? this.upstreamId;
    this.serviceTier = answer.serviceTier ?? '';
    if (answer.error !== undefined) throw upstreamFailureError(answer.error, this.credential);
    this.capture?.addWhole(answer.bytes);
    this.noteContent(answer.outputBytes > 0);
    for (let offset = 0; offset < answer.bytes.byteLength; offset += PIECE_BYTES) {
      await this.waitForRoom();
      this.sendData(answer.bytes.subarray(offset, offset + PIECE_BYTES), answer.outputBytes > 0, this.finishReason, answer.nativeFinishReason ?? '');
    }
  }

  /** An answer that comes in part was written for us all the same, and is billed: its size is the best guess of what it held. */
  private async readAnswer(exchange: Exchange, body: PulledBody): Promise<ExchangeAnswer> {
    try {
      const bytes = await readWhole({ next: () => this.pull(body) }, this.dependencies.maxAnswerBytes, this.providerName);
      this.deadlines?.onPaused();
      return exchange.readWhole(bytes);
    } catch (error) {
      const cap = this.start.maxOutputTokens ?? this.endpoint.maxCompletionTokens;
      if (this.start.apiType !== 'embeddings') this.outputBytes = bytesWithin(this.receivedBytes, cap);
      throw error;
    }
  }

  /** Some providers report a failure as a plain JSON body with status 200. */
  private async jsonInsteadOfStream(exchange: Exchange, body: PulledBody): Promise<SwitchyardError> {
    const bytes = await readBeginning({ next: () => this.pull(body) }, MAX_ERROR_BYTES);
    let failure;
    try {
      failure = exchange.readWhole(bytes).error;
    } catch {
      failure = undefined;
    }
    return failure === undefined ? this.wrongContentType('application/json') : upstreamFailureError(failure, this.credential);
  }

  private async pull(body: PulledBody, maxBytes?: number): Promise<Uint8Array | undefined> {
    this.throwIfStopped();
    this.deadlines?.onWaiting();
    try {
      const bytes = await body.next(maxBytes);
      this.receivedBytes += bytes?.byteLength ?? 0;
      return bytes;
    } catch (error) {
      if (this.stopError !== undefined || error instanceof SwitchyardError) throw error;
      throw this.upstreamStatus < 300 ? this.cut(error) : transportError(error, this.providerName);
    }
  }

  private async waitForRoom(): Promise<void> {
    if (this.window.hasRoom) return;
    this.isPaused = true;
    this.deadlines?.onPaused();
    await this.window.room();
    this.isPaused = false;
  }

  private forward(progress: StreamProgress): void {
    this.outputBytes = progress.outputBytes;
    this.reasoningBytes = progress.reasoningBytes;
    if (progress.upstreamId !== undefined) this.upstreamId = progress.upstreamId;
    if (progress.serviceTier !== undefined) this.serviceTier = progress.serviceTier;
    this.noteContent(progress.hasContent);
    this.capture?.addEvents(progress.bytes);
    const isNewFinish = progress.finishReason !== undefined && progress.finishReason !== this.finishReason;
    this.finishReason = progress.finishReason ?? this.finishReason;
    if (progress.bytes !== '' || isNewFinish)
      this.sendData(this.bytesOf(progress.bytes), progress.hasContent, this.finishReason, progress.nativeFinishReason ?? '');
    this.isUsageFinal = progress.isUsageFinal;
    if (progress.meters === undefined || progress.meters === this.meters) return;
    this.meters = progress.meters;
    this.sendUsage(progress.meters, common.UsageSource.PROVIDER, false);
  }

  private bytesOf(text: string): Uint8Array {
    return this.listener.takesBytesAtOnce === true ? passingBytes(text) : ownBytes(text);
  }

  private sendData(bytes: Uint8Array, hasContent: boolean, finishReason: string, nativeFinishReason: string): void {
    this.window.use(bytes.byteLength);
    this.listener.onData({ bytes, hasContent, finishReason, nativeFinishReason, outputBytes: BigInt(this.outputBytes), isDebug: false });
  }

  private sendUsage(meters: Meters, source: common.UsageSource, isFinal: boolean): void {
    this.listener.onUsage({ usage: { meters: countsOf(meters), source }, isFinal });
  }

  private complete(): void {
    // What may still come is not awaited, yet the connection is worth keeping.
    this.call?.discard();
    const source = this.settleUsage();
    // A fee per request is a meter of its own, where the provider has one.
    if (this.start.costSchedule?.ratesPico['request'] !== undefined) this.meters = { ...this.meters, request: 1 };
    this.sendUsage(this.meters ?? {}, source, true);
    this.report(events.AttemptOutcome.COMPLETED, undefined, source);
    this.end(worker.AttemptEnd.COMPLETED, undefined);
  }

  private fail(cause: unknown): void {
    // The listener itself failed on its end.
    if (this.isOver) return this.dependencies.onUnexpected(this.start, cause);
    if (this.upstreamStatus > 299) this.call?.discard();
    else this.call?.abort(cause instanceof Error ? cause : new Error('failed'));
    const isCancelled = cause instanceof AttemptCancelled;
    const error = isCancelled ? undefined : this.typed(cause);
    // Part of an answer came: the provider bills for it, whatever it last said.
    const hasOutput = this.outputBytes > 0 || this.meters !== undefined;
    const source = hasOutput ? this.settleUsage() : common.UsageSource.ESTIMATED;
    if (this.meters !== undefined) this.sendUsage(this.meters, source, true);
    const isOurs = isCancelled || this.isPaused;
    this.report(isOurs ? events.AttemptOutcome.CANCELLED : events.AttemptOutcome.UPSTREAM_FAILED, error, source);
    this.end(isCancelled ? worker.AttemptEnd.CANCELLED : worker.AttemptEnd.FAILED, error);
  }

  private report(outcome: events.AttemptOutcome, error: SwitchyardError | undefined, usageSource: common.UsageSource): void {
    const result: AttemptResult = {
      outcome,
      error,
      upstreamStatus: this.upstreamStatus,
      upstreamId: this.upstreamId,
      startTimeMs: this.startTimeMs,
      endTimeMs: this.startTimeMs + Math.round(this.dependencies.clock.monotonicMs() - this.startMonotonicMs),
      // A whole answer brings its first byte with its last, which says nothing of the first token.
      firstTokenMs: this.start.stream ? this.firstTokenMs : undefined,
      meters: this.meters,
      usageSource,
      finishReason: this.finishReason,
      flags: [],
      statement: this.answering?.statement,
    };
    try {
      // What never reached for its provider cost nothing.
      const event = this.call === undefined ? undefined : (this.dependencies.onCompleted(this.start, result) ?? undefined);
      this.trace?.record(result, event, this.dependencies.clock.monotonicMs(), this.credential);
    } catch (error) {
      // Whatever goes wrong with the books, the client's answer has its end.
      this.dependencies.onUnexpected(this.start, error);
    }
  }

  private end(end: worker.AttemptEnd, error: SwitchyardError | undefined): void {
    this.isOver = true;
    this.onOver();
    this.listener.onEnd({
      end,
      error: error === undefined ? undefined : errorDetail(error),
      warnings: [...this.warnings],
      upstreamId: this.upstreamId,
      serviceTier: this.serviceTier,
    });
  }

  /** Ends all waiting with this error; the first one counts. */
  private stop(error: Error): void {
    if (this.isOver || this.stopError !== undefined) return;
    this.stopError = error;
    this.call?.abort(error);
    this.window.abort(error);
    this.stopMedia?.abort(error);
  }

  private expire(stage: DeadlineStage, limitMs: number): void {
    this.stop(deadlineError(stage, this.providerName, limitMs));
  }

  private throwIfStopped(): void {
    if (this.stopError !== undefined) throw this.stopError;
  }

  private noteContent(hasContent: boolean): void {
    if (!hasContent || this.firstTokenMs !== undefined) return;
    this.firstTokenMs = this.dependencies.clock.monotonicMs() - this.startMonotonicMs;
    this.deadlines?.onContent();
  }

  /** Keeps the provider's last and credible count; anything else is filled up by size. */
  private settleUsage(): common.UsageSource {
    if (this.isUsageFinal && this.meters !== undefined && isCredible(this.meters, this.outputBytes)) return common.UsageSource.PROVIDER;
    this.meters = estimateMeters(this.meters, this.start.body, this.outputBytes, this.reasoningBytes);
    return common.UsageSource.ESTIMATED;
  }

  private typed(cause: unknown): SwitchyardError {
    if (cause instanceof SwitchyardError) return cause;
    this.dependencies.onUnexpected(this.start, cause);
    return new SwitchyardError('server', 'The worker failed.', { cause });
  }

  private cut(cause?: unknown): SwitchyardError {
    return new SwitchyardError('provider_unavailable', `${this.providerName} cut the answer off: the stream was cut.`, {
      upstreamStatus: this.upstreamStatus,
      cause,
    });
  }

  private wrongContentType(contentType: string): SwitchyardError {
    return new SwitchyardError('provider_unavailable', `${this.providerName} answered with ${contentType.slice(0, 60)}.`, {
      upstreamStatus: this.upstreamStatus,
    });
  }

  private get providerName(): string {
    return this.endpoint.providerName || this.endpoint.providerSlug || 'The provider';
  }
}

/** The text in memory that the next one is written into. */
function passingBytes(text: string): Buffer {
  if (text.length * MAX_BYTES_PER_CODE_UNIT > passing.byteLength) return ownBytes(text);
  return passing.subarray(0, passing.write(text));
}

/** The text in memory of its own: in that of Node's shared pool, whatever waits keeps many times its size. */
function ownBytes(text: string, pooledBelow = MIN_OWN_BYTES): Buffer {
  if (text.length < pooledBelow) return Buffer.from(text);
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

function contentTypeOf(head: UpstreamHead): string {
  return (head.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

/** The provider's own id of the request, which its support asks for. */
function requestIdOf(head: UpstreamHead): string {
  const value = head.headers['x-request-id'] ?? head.headers['request-id'];
  return typeof value === 'string' ? value.slice(0, 200) : '';
}
