import type { Clock, Meters } from '@switchyard/core';
import { DEFAULT_GRANT_STEP_BYTES, DEFAULT_INITIAL_GRANT_BYTES, type AttemptHandle, type AttemptListener, type AttemptTransport } from '@switchyard/grpc';
import { common, worker } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import { traceparentOf, type AttemptEndKind, type AttemptRecord, type Generation } from './core/generation.js';
import { attemptReason } from './request-spans.js';

/** Where an attempt's bytes go. */
export interface AttemptOutput {
  /** False: wait for `onDrain` before more is granted. */
  write(bytes: Uint8Array): boolean;
  /** A debug chunk, forwarded before anything is decided. */
  writeDebug(bytes: Uint8Array): void;
  /** The first content is about to be written: nothing else will be tried. A whole answer never commits, it is held back. */
  commit(): void;
  onDrain(listener: (() => void) | undefined): void;
  /** Called when the client leaves; a whole request goes on without it. */
  onGone(listener: (() => void) | undefined): void;
}

export interface AttemptOptions {
  readonly outputTokenCap: number | undefined;
  /** How long it may take: what earlier attempts left of the request's total. */
  readonly totalMs: number;
  /** Monotonic time after which no byte may be sent and nothing charged. */
  readonly settleBeforeMs: number;
  /** The endpoint answers: its first content is here. */
  onContent(): void;
}

/** Bytes of a failed attempt that never showed content are dropped; more preamble than this counts as content. */
const MAX_PREAMBLE_BYTES = 256 * 1024;
/** The worker enforces every deadline itself; this much later the ingress stops believing that it will. */
const GUARD_MS = 2_000;
/** How long a cancelled attempt may take to say what it used. */
const CANCEL_WAIT_MS = 2_000;

const TIMED_OUT = { errorType: 'timeout', message: 'The provider did not answer in time.' };

/** Runs one attempt to its end. Never rejects: every way to fail is a record. */
export function runAttempt(
  transport: AttemptTransport,
  clock: Clock,
  generation: Generation,
  candidate: PlanCandidate,
  output: AttemptOutput,
  options: AttemptOptions,
): Promise<AttemptRecord> {
  return new Promise((resolve) => {
    new AttemptRun(transport, clock, generation, candidate, output, options, resolve).start();
  });
}

class AttemptRun implements AttemptListener {
  private readonly startedAtMs: number;
  private handle: AttemptHandle | undefined;
  private guard: NodeJS.Timeout | undefined;
  private preamble: Uint8Array[] = [];
  private preambleBytes = 0;
  private isCommitted = false;
  private firstContentMs: number | undefined;
  private ungrantedBytes = 0;
  private isBlocked = false;
  private upstreamStatus = 0;
  private upstreamId = '';
  private meters: Meters | undefined;
  private usageSource = common.UsageSource.UNSPECIFIED;
  private finishReason = '';
  private nativeFinishReason = '';
  private outputBytes = 0;
  /** Why we ended it ourselves; the worker's own end follows or is not waited for. */
  private ownEnd: AttemptEndKind | undefined;
  private isOver = false;

  constructor(
    private readonly transport: AttemptTransport,
    private readonly clock: Clock,
    private readonly generation: Generation,
    private readonly candidate: PlanCandidate,
    private readonly output: AttemptOutput,
    private readonly options: AttemptOptions,
    private readonly resolve: (record: AttemptRecord) => void,
  ) {
    this.startedAtMs = clock.monotonicMs();
  }

  start(): void {
    const { totalMs, settleBeforeMs } = this.options;
    const untilSettleMs = settleBeforeMs - this.startedAtMs;
    this.guard = setTimeout(() => this.stop('timed_out', 'the attempt ran past its deadline'), Math.max(0, Math.min(totalMs + GUARD_MS, untilSettleMs)));
    this.handle = this.transport.start(startFrame(this.generation, this.candidate, this.options), this);
    this.output.onDrain(() => this.onDrain());
    if (this.generation.request.stream) this.output.onGone(() => this.stop('client_gone', 'the client left'));
  }

  onHeaders(frame: worker.HeadersFrame): void {
    this.upstreamStatus = frame.upstreamStatus;
    this.upstreamId = frame.upstreamId;
  }

  onData(frame: worker.DataFrame): void {
    if (this.isOver || this.ownEnd) return;
    if (this.isPastSettling()) return this.stop('timed_out', 'the lease may not be settled any more');
    if (frame.isDebug) return this.output.writeDebug(frame.bytes);
    if (frame.finishReason) this.finishReason = frame.finishReason;
    if (frame.nativeFinishReason) this.nativeFinishReason = frame.nativeFinishReason;
    if (frame.outputBytes) this.outputBytes = Number(frame.outputBytes);
    if (frame.hasContent) this.firstContentMs ??= this.clock.monotonicMs() - this.generation.startedAtMs;
    if (this.isCommitted) return this.forward(frame.bytes);
    this.preamble.push(frame.bytes);
    this.preambleBytes += frame.bytes.byteLength;
    if (frame.hasContent || this.preambleBytes > MAX_PREAMBLE_BYTES) this.commit();
    else this.grant(frame.bytes.byteLength);
  }

  onUsage(frame: worker.UsageFrame): void {
    if (!frame.usage) return;
    this.meters = frame.usage.meters;
    this.usageSource = frame.usage.source;
  }

  onEnd(frame: worker.EndFrame): void {
    if (this.isOver) return;
    if (this.isPastSettling()) this.ownEnd ??= 'timed_out';
    // An answer without content (a bare finish, a zero completion) is still an answer.
    if (frame.end === worker.AttemptEnd.COMPLETED && !this.isCommitted && !this.ownEnd) this.commit();
    if (this.ownEnd === undefined && this.wasNotRead(frame)) return this.finish('client_gone', undefined, frame);
    this.finish(this.ownEnd ?? endKind(frame.end), frame.error, frame);
  }

  /** A process that was stopped reads what has come meanwhile before its timers fire. */
  private isPastSettling(): boolean {
    return this.clock.monotonicMs() >= this.options.settleBeforeMs;
  }

  /** The time ran out while the client's socket was full: its doing, and as if it had left. No provider is to blame, and what it got is not free. */
  private wasNotRead(frame: worker.EndFrame): boolean {
    return this.isBlocked && frame.end === worker.AttemptEnd.FAILED && frame.error?.errorType === 'timeout';
  }

  private commit(): void {
    this.isCommitted = true;
    this.options.onContent();
    this.output.commit();
    for (const bytes of this.preamble) this.forward(bytes);
    this.preamble = [];
  }

  private forward(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    const hasRoom = this.output.write(bytes);
    if (!hasRoom) this.isBlocked = true;
    this.grant(bytes.byteLength);
  }

  private onDrain(): void {
    this.isBlocked = false;
    this.grant(0);
  }

  /** Grants in steps and only while the client reads, so that a stopped reader holds one window of bytes and no more. */
  private grant(bytes: number): void {
    this.ungrantedBytes += bytes;
    if (this.isBlocked || this.isOver || this.ungrantedBytes < DEFAULT_GRANT_STEP_BYTES) return;
    this.handle?.grant(this.ungrantedBytes);
    this.ungrantedBytes = 0;
  }

  private stop(end: AttemptEndKind, reason: string): void {
    if (this.isOver || this.ownEnd) return;
    this.ownEnd = end;
    this.handle?.cancel(reason);
    clearTimeout(this.guard);
    this.guard = setTimeout(() => this.finish(end, undefined, undefined), CANCEL_WAIT_MS);
  }

  private finish(end: AttemptEndKind, error: common.ErrorDetail | undefined, frame: worker.EndFrame | undefined): void {
    this.isOver = true;
    clearTimeout(this.guard);
    this.output.onDrain(undefined);
    this.output.onGone(undefined);
    this.resolve({
      index: this.generation.attempts.length,
      candidate: pricedAs(this.candidate, frame?.serviceTier),
      startTimeMs: this.generation.acceptTimeMs + (this.startedAtMs - this.generation.startedAtMs),
      durationMs: this.clock.monotonicMs() - this.startedAtMs,
      firstContentMs: this.firstContentMs,
      end,
      error: end === 'timed_out' ? common.ErrorDetail.create(TIMED_OUT) : error,
      upstreamStatus: error?.upstreamStatus || this.upstreamStatus,
      upstreamId: frame?.upstreamId || this.upstreamId,
      meters: this.meters,
      usageSource: this.usageSource,
      finishReason: this.finishReason,
      nativeFinishReason: this.nativeFinishReason,
      outputBytes: this.outputBytes,
      warnings: frame?.warnings ?? [],
      serviceTier: frame?.serviceTier ?? '',
      isCommitted: this.isCommitted && this.generation.request.stream,
      isReported: frame !== undefined && frame.end !== worker.AttemptEnd.SESSION_LOST,
      session: this.handle?.session,
    });
  }
}

function startFrame(generation: Generation, candidate: PlanCandidate, { outputTokenCap, totalMs }: AttemptOptions): worker.StartFrame {
  const { request } = generation;
  const { record } = candidate.endpoint;
  const { deadlines } = candidate;
  return {
    generationId: generation.id,
    attemptIndex: generation.attempts.length,
    clientDialect: request.clientDialect,
    apiType: request.apiType,
    endpoint: {
      endpointId: record.endpointId,
      providerSlug: record.providerSlug,
      providerName: record.providerName,
      model: candidate.publicModel,
      modelPermaslug: candidate.model.permaslug,
      providerModelId: record.providerModelId,
      baseUrl: record.baseUrl,
      supportedParameters: record.supportedParameters,
      maxCompletionTokens: record.maxCompletionTokens,
      traits: traitsOf(candidate.endpoint),
      inputModalities: record.inputModalities,
    },
    credentialId: '',
    costSchedule: candidate.costScheduleRecord,
    defaultTierCostSchedule: candidate.defaultTier?.costScheduleRecord,
    deadlines: {
      connectMs: BigInt(deadlines.connectMs),
      firstTokenMs: BigInt(Math.round(deadlines.firstTokenMs)),
      betweenChunksMs: BigInt(deadlines.betweenChunksMs),
      totalMs: BigInt(totalMs),
    },
    traceparent: traceparentOf(generation),
    tracestate: generation.trace?.tracestate ?? '',
    attemptReason: generation.trace?.context ? attemptReason(generation, generation.attempts.length, candidate) : '',
    captureContent: generation.key.includeContentInTraces,
    body: request.body as Buffer,
    stream: request.stream,
    maxOutputTokens: outputTokenCap === undefined ? undefined : BigInt(outputTokenCap),
    initialGrantBytes: BigInt(DEFAULT_INITIAL_GRANT_BYTES),
    acceptTimeMs: BigInt(generation.acceptTimeMs),
    accountId: generation.key.accountId,
    echoUpstreamBody: request.echoUpstreamBody,
    created: BigInt(Math.floor(generation.acceptTimeMs / 1000)),
  };
}

/** A provider that has no room in the tier that it was asked for may answer in its default one, and charges that. */
function pricedAs(candidate: PlanCandidate, answeredTier: string | undefined): PlanCandidate {
  return answeredTier === 'default' && candidate.defaultTier ? { ...candidate, ...candidate.defaultTier } : candidate;
}

/** The tier among them: a provider has to be asked for the one whose price is charged. */
function traitsOf({ record, serviceTier }: PlanCandidate['endpoint']): Record<string, string> {
  return serviceTier === 'default' ? record.traits : { ...record.traits, service_tier: serviceTier };
}

function endKind(end: worker.AttemptEnd): AttemptEndKind {
  switch (end) {
    case worker.AttemptEnd.COMPLETED:
      return 'completed';
    case worker.AttemptEnd.SESSION_LOST:
    // Nobody here asked for it: its worker stops, and had no more time.
    case worker.AttemptEnd.CANCELLED:
      return 'session_lost';
    case worker.AttemptEnd.FAILED:
    case worker.AttemptEnd.UNSPECIFIED:
    case worker.AttemptEnd.UNRECOGNIZED:
      return 'failed';
  }
}
