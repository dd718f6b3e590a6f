import type { Clock, Meters } from '@switchyard/core';
import type { ExchangeAnswer, ProviderStatement, StreamProgress } from '@switchyard/dialects/provider';
import type { SwitchyardError } from '@switchyard/errors';
import { common, events, type worker } from '@switchyard/proto';
import type { AttemptResult } from './core/attempt-report.js';
import { bytesWithin, estimateMeters, isCredible } from './core/estimate-usage.js';
import { plainWord } from './core/plain-word.js';
import type { UpstreamHead } from './upstream-http.js';

/** What is known of an attempt: it grows while the answer comes, and at the end it is the result. */
export class AttemptNotes implements AttemptResult {
  readonly startTimeMs: number;
  /** Monotonic milliseconds, as `askedAtMs`. */
  readonly startedAtMs: number;
  endTimeMs = 0;
  outcome = events.AttemptOutcome.UNSPECIFIED;
  error: SwitchyardError | undefined;

  upstreamStatus = 0;
  finishReason = '';
  /** Since the provider was asked. Of a stream alone: a whole answer brings its first byte with its last, which says nothing of the first token. */
  firstTokenMs: number | undefined;
  /** Of the provider's body, whatever they are. */
  receivedBytes = 0;
  outputBytes = 0;
  meters: Meters | undefined;
  usageSource = common.UsageSource.ESTIMATED;
  private askedAtMs: number;
  /** As the provider wrote them. */
  private givenId = '';
  private givenTier = '';
  /** The provider counted when it had finished, so these meters are its last. */
  private isUsageFinal = false;
  private reasoningBytes = 0;
  /** What tells what the provider says of its answer. */
  private answering: { readonly statement: ProviderStatement } | undefined;

  constructor(
    private readonly start: worker.StartFrame,
    private readonly clock: Clock,
  ) {
    this.startTimeMs = clock.nowMs();
    this.startedAtMs = clock.monotonicMs();
    this.askedAtMs = this.startedAtMs;
  }

  get statement(): ProviderStatement | undefined {
    return this.answering?.statement;
  }

  get upstreamId(): string {
    return plainWord(this.givenId);
  }

  get serviceTier(): string {
    return plainWord(this.givenTier);
  }

  /** With its finish reason an answer is whole: what breaks afterwards takes nothing from the client, but perhaps the usage from us. */
  get isAnswerWhole(): boolean {
    return this.finishReason !== '' && this.finishReason !== 'error';
  }

  /** Part of an answer came: the provider bills for it, whatever it last said. */
  get hasOutput(): boolean {
    return this.outputBytes > 0 || this.meters !== undefined;
  }

  /** The provider is about to be asked: what was fetched before took no time of its. */
  noteAsked(): void {
    this.askedAtMs = this.clock.monotonicMs();
  }

  /** The provider said yes: it works on the prompt, and bills for that even if nobody waits for the answer. */
  get isAccepted(): boolean {
    return this.upstreamStatus >= 200 && this.upstreamStatus < 300;
  }

  noteHead(head: UpstreamHead): void {
    this.upstreamStatus = head.status;
    this.givenId = requestIdOf(head);
  }

  noteStream(stream: { readonly statement: ProviderStatement }): void {
    this.answering = stream;
  }

  /** What a step of a stream shows; returns whether its finish reason is news. */
  noteProgress(progress: StreamProgress): boolean {
    this.outputBytes = progress.outputBytes;
    this.reasoningBytes = progress.reasoningBytes;
    if (progress.upstreamId !== undefined) this.givenId = progress.upstreamId;
    if (progress.serviceTier !== undefined) this.givenTier = progress.serviceTier;
    const isNewFinish = progress.finishReason !== undefined && progress.finishReason !== this.finishReason;
    this.finishReason = progress.finishReason ?? this.finishReason;
    return isNewFinish;
  }

  /** Returns whether it is the first. */
  noteContent(): boolean {
    if (this.firstTokenMs !== undefined) return false;
    this.firstTokenMs = this.clock.monotonicMs() - this.askedAtMs;
    return true;
  }

  /** What a step of a stream says of its usage; returns whether that is news. */
  noteUsage({ meters, isUsageFinal }: StreamProgress): boolean {
    this.isUsageFinal = isUsageFinal;
    if (meters === undefined || meters === this.meters) return false;
    this.meters = meters;
    this.usageSource = common.UsageSource.PROVIDER;
    return true;
  }

  /** The provider said its last word. Where the answer was not whole before, what it counted until then is all there is. */
  noteStreamEnd(): void {
    this.isUsageFinal ||= !this.isAnswerWhole;
  }

  noteAnswer(answer: ExchangeAnswer): void {
    this.answering = answer;
    this.meters = answer.meters;
    this.isUsageFinal = true;
    this.outputBytes = answer.outputBytes;
    this.reasoningBytes = answer.reasoningBytes;
    this.finishReason = answer.finishReason ?? '';
    this.givenId = answer.upstreamId ?? this.givenId;
    this.givenTier = answer.serviceTier ?? '';
  }

  /** A whole answer that came in part was written for us all the same, and is billed: its size is the best guess of what it held. */
  noteBrokenAnswer(): void {
    if (this.start.apiType === 'embeddings') return;
    this.outputBytes = bytesWithin(this.receivedBytes, this.start.maxOutputTokens ?? this.start.endpoint?.maxCompletionTokens);
  }

  /** Keeps the provider's last and credible count; anything else is filled up by size. */
  settleUsage(): void {
    if (this.isUsageFinal && this.meters !== undefined && isCredible(this.meters, this.outputBytes)) {
      this.usageSource = common.UsageSource.PROVIDER;
      return;
    }
    this.meters = estimateMeters(this.meters, this.start.body, this.outputBytes, this.reasoningBytes);
    this.usageSource = common.UsageSource.ESTIMATED;
  }

  /** A fee per request is a meter of its own, where the provider has one. */
  addRequestFee(): void {
    if (this.start.costSchedule?.ratesPico['request'] !== undefined) this.meters = { ...this.meters, request: 1 };
  }

  end(outcome: events.AttemptOutcome, error: SwitchyardError | undefined): void {
    this.outcome = outcome;
    this.error = error;
    this.endTimeMs = this.startTimeMs + Math.round(this.clock.monotonicMs() - this.startedAtMs);
  }
}

/** The provider's own id of the request, which its support asks for. */
function requestIdOf(head: UpstreamHead): string {
  const value = head.headers['x-request-id'] ?? head.headers['request-id'];
  return typeof value === 'string' ? value : '';
}
