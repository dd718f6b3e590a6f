import { newEventId, newGenerationId, type Clock, type RandomSource } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { AttemptTransport } from '@switchyard/grpc';
import { events, type billing } from '@switchyard/proto';
import {
  decide,
  type BreakerPass,
  type CircuitBreakers,
  type DeadlineSettings,
  type PlanCandidate,
  type RoutingPlan,
  type RoutingTable,
} from '@switchyard/routing';
import type { CallTrace, Logger, Tracer } from '@switchyard/telemetry';
import { runAttempt } from './attempt.js';
import { failureOf, mayRetrySame, mayTryNext } from './core/fallback.js';
import type { GenerationRequest } from './core/generation-request.js';
import type { AttemptRecord, Generation } from './core/generation.js';
import { refusalError } from './core/refusal.js';
import { isAnswered, settleGeneration, type Settlement } from './core/settlement.js';
import { recordEvidence } from './endpoint-evidence.js';
import type { FailureLog } from './failure-log.js';
import type { GenerationJournal } from './generation-journal.js';
import type { GenerationMetrics } from './generation-metrics.js';
import type { GenerationAnswer } from './http/generation-answer.js';
import { reasonToKeep } from './request-spans.js';
import { logFieldsOf, type RequestTrace } from './request-trace.js';
import { routingPolicyOf } from './routing-policy.js';
import { unaffordableError, type AttemptReservation, type AttemptReserver, type Unaffordable } from './wallet/attempt-reserver.js';
import type { QuotaKeeper } from './wallet/quota-keeper.js';

/** All that running a generation needs from the process. */
export interface Gateway {
  readonly clock: Clock;
  /** Unix milliseconds on billing's clock. */
  billingNowMs(): number;
  readonly random: RandomSource;
  readonly logger: Logger;
  /** The table the router pushed last. @throws SwitchyardError `gateway_unavailable` before the first. */
  table(): RoutingTable;
  /** The push that last changed it; undefined where nothing is traced. */
  tablePush?(): CallTrace | undefined;
  readonly breakers: CircuitBreakers;
  readonly transport: AttemptTransport;
  readonly quotas: QuotaKeeper;
  readonly reserver: AttemptReserver;
  readonly journal: GenerationJournal;
  readonly metrics: GenerationMetrics;
  /** Undefined where nothing is traced. */
  readonly tracer?: Tracer | undefined;
  readonly failures?: FailureLog;
  /** How long attempts may take; what is not named is the routing engine's default. */
  readonly deadlines: Partial<DeadlineSettings>;
}

/** With one endpoint left, a failure before content is tried once more after this, give or take a fifth. */
const RETRY_DELAY_MS = 250;

/**
 * One client request from its decision to its books, top to bottom: decide → reserve → attempt, attempt … → settle →
 * answer. Rules: fallback until the first content and never after it; nothing of a failed attempt
 * reaches the client; a cut answer is an error; the end is spooled before the last bytes leave; failed requests cost nothing.
 * @throws SwitchyardError before the first byte; later failures are the answer's own last chunk.
 */
export async function runGeneration(
  gateway: Gateway,
  key: billing.Key,
  request: GenerationRequest,
  answer: GenerationAnswer,
  trace?: RequestTrace,
): Promise<void> {
  const generation = acceptGeneration(gateway, key, request, trace);
  answer.open(generation);
  const plan = choosePlan(gateway, generation);
  const { attempt, reservation } = await spendQuota(gateway, generation, plan, () => tryCandidates(gateway, generation, plan, answer));
  const settlement = settleGeneration(generation, attempt);
  trace?.settled(settlement, reasonToKeep(trace, generation, settlement));
  if (settlement.end === events.GenerationEnd.UPSTREAM_FAILED) gateway.failures?.add(generation, attempt);
  gateway.reserver.settle(generation, reservation, settlement);
  gateway.quotas.settle(generation, settlement);
  const written = gateway.journal.completed(generation, attempt, settlement, reservation.reservedPico);
  await finishAnswer(gateway, generation, attempt, settlement, written, answer);
}

function acceptGeneration(gateway: Gateway, key: billing.Key, request: GenerationRequest, trace: RequestTrace | undefined): Generation {
  const generation: Generation = {
    id: newGenerationId(gateway.clock, gateway.random),
    eventId: newEventId(gateway.clock, gateway.random),
    acceptTimeMs: gateway.billingNowMs(),
    startedAtMs: gateway.clock.monotonicMs(),
    key,
    request,
    attempts: [],
    leaseUses: [],
    quota: undefined,
    freeQuota: undefined,
    flags: new Set(),
    warnings: request.warnings,
    isAccepted: false,
    trace,
  };
  if (trace) trace.generation = generation;
  return generation;
}

function choosePlan(gateway: Gateway, generation: Generation): RoutingPlan {
  const policy = routingPolicyOf(generation.key, gateway.breakers, gateway.deadlines);
  const { trace } = generation;
  const startedAtMs = trace ? gateway.clock.monotonicMs() : 0;
  const acceptClock = { nowMs: () => generation.acceptTimeMs, monotonicMs: () => generation.startedAtMs };
  const decision = decide(gateway.table(), generation.request.routing, policy, acceptClock, gateway.random);
  if (decision.kind === 'refusal') throw refusalError(decision.refusal);
  trace?.decided(startedAtMs, decision.plan, gateway.tablePush?.());
  generation.warnings = [...generation.warnings, ...decision.plan.warnings];
  return decision.plan;
}

/** Takes the generation's share of its rate limits; what throws before a dispatch gives it back. */
async function spendQuota<Result>(gateway: Gateway, generation: Generation, plan: RoutingPlan, run: () => Promise<Result>): Promise<Result> {
  await gateway.quotas.take(generation, () => gateway.reserver.outputWish(generation, plan.candidates));
  try {
    return await run();
  } catch (error) {
    gateway.quotas.release(generation);
    throw error;
  }
}

interface FinalAttempt {
  readonly attempt: AttemptRecord;
  readonly reservation: AttemptReservation;
}

/** Tries the candidates in order until one answers, the client leaves, or nothing may be tried any more. */
async function tryCandidates(gateway: Gateway, generation: Generation, plan: RoutingPlan, answer: GenerationAnswer): Promise<FinalAttempt> {
  const refusals: Refusals = {};
  let final: FinalAttempt | undefined;
  let tried: Turn | undefined;
  for (const turn of inTurn(gateway, plan)) {
    const { candidate } = turn;
    const isBarred = final !== undefined && (!mayTryNext(generation.attempts, candidate) || remainingMs(gateway, generation, candidate) === 0);
    // What failed costs nothing: its money is free for the next.
    if (final && !isBarred) final = { ...final, reservation: gateway.reserver.cancel(final.reservation) };
    const reservation = isBarred ? undefined : await admit(gateway, generation, candidate, refusals);
    if (!reservation) {
      gateway.breakers.release(candidate.endpoint.endpointId, turn.pass);
      if (refusals.unknown !== undefined) break;
      continue;
    }
    tried = turn;
    final = await attemptOnce(gateway, generation, turn, reservation, answer);
    if (turn.isLast && mayRetrySame(final.attempt) && !answer.isClientGone) final = await retryOnce(gateway, generation, turn, final, answer);
    if (isDone(final.attempt)) return final;
  }
  if (!final || !tried) throw refusalOf(refusals);
  const wasLastAfterAll = !tried.isLast && refusals.unknown === undefined;
  return wasLastAfterAll && mayRetrySame(final.attempt) && !answer.isClientGone ? retryPaidAnew(gateway, generation, tried, final, answer) : final;
}

/** Why candidates were not tried. */
interface Refusals {
  /** Of those that cannot be paid for, the one that would write most. */
  unaffordable?: Unaffordable;
  freeQuota?: SwitchyardError | undefined;
  /** Billing could not be asked: no other candidate fares better. */
  unknown?: unknown;
}

/** What a candidate needs before it is tried: its share of the free quotas, or its money. An attempt that was made before keeps its one end, whatever fails here. */
async function admit(gateway: Gateway, generation: Generation, candidate: PlanCandidate, refusals: Refusals): Promise<AttemptReservation | undefined> {
  const { trace } = generation;
  const startedAtMs = trace ? gateway.clock.monotonicMs() : 0;
  try {
    if (candidate.endpoint.variant === 'free') {
      refusals.freeQuota ??= await gateway.quotas.takeFree(generation);
      if (refusals.freeQuota) {
        trace?.reserved(candidate, generation.attempts.length, startedAtMs, 'free_quota');
        return undefined;
      }
    }
    const reservation = await gateway.reserver.reserve(generation, candidate);
    const isReserved = 'reservation' in reservation;
    trace?.reserved(candidate, generation.attempts.length, startedAtMs, isReserved ? 'reserved' : 'unaffordable', isReserved ? reservation : undefined);
    if (isReserved) return reservation;
    const { unaffordable } = refusals;
    if (!unaffordable || reservation.affordableTokens > unaffordable.affordableTokens) refusals.unaffordable = reservation;
  } catch (error) {
    trace?.reserved(candidate, generation.attempts.length, startedAtMs, 'unavailable');
    refusals.unknown ??= error;
  }
  return undefined;
}

function refusalOf({ unknown, freeQuota, unaffordable }: Refusals): unknown {
  if (unknown !== undefined) return unknown;
  if (freeQuota) return freeQuota;
  if (unaffordable) return unaffordableError(unaffordable);
  return new SwitchyardError('provider_overloaded', 'No provider can take the request at the moment.', { retryAfterMs: 1_000 });
}

interface Turn {
  readonly candidate: PlanCandidate;
  readonly pass: BreakerPass;
  /** Nothing else is left to try. */
  readonly isLast: boolean;
}

/** The candidates in order. Those whose breaker lets nothing through are passed over; the first of them is the last resort. */
function* inTurn({ breakers, clock }: Gateway, plan: RoutingPlan): Generator<Turn> {
  let passedOver: PlanCandidate | undefined;
  for (const [position, candidate] of plan.candidates.entries()) {
    const pass = breakers.tryAcquire(candidate.endpoint.endpointId, clock.monotonicMs());
    if (pass) yield { candidate, pass, isLast: !passedOver && position === plan.candidates.length - 1 };
    else passedOver ??= candidate;
  }
  if (passedOver) yield { candidate: passedOver, pass: breakers.acquireAnyway(passedOver.endpoint.endpointId), isLast: true };
}

function isDone(attempt: AttemptRecord): boolean {
  return attempt.isCommitted || attempt.end === 'completed' || attempt.end === 'client_gone';
}

async function attemptOnce(
  gateway: Gateway,
  generation: Generation,
  { candidate, pass }: Turn,
  reservation: AttemptReservation,
  answer: GenerationAnswer,
): Promise<FinalAttempt> {
  writeAccepted(gateway, generation, candidate, pass, reservation);
  answer.beginAttempt(candidate);
  const attempt = await runAttempt(gateway.transport, gateway.clock, generation, candidate, answer, {
    outputTokenCap: reservation.outputTokenCap,
    // To the worker zero is no limit of ours: it would take its own.
    totalMs: Math.max(1, remainingMs(gateway, generation, candidate)),
    settleBeforeMs: reservation.reservation.settleBeforeMs,
    onContent: () => gateway.breakers.recordContent(candidate.endpoint.endpointId, pass, gateway.clock.monotonicMs()),
  });
  generation.attempts.push(attempt);
  recordEvidence(gateway.breakers, attempt, pass, gateway.clock.monotonicMs());
  gateway.metrics.attemptEnded(attempt);
  if (attempt.end === 'client_gone' && attempt.upstreamStatus === 0) gateway.quotas.countEarlyAbort(generation.key.hash);
  if (!attempt.isReported) gateway.journal.attemptLost(generation, attempt);
  return { attempt, reservation };
}

/** What is left of the request's total deadline, which all its attempts share: so nothing outlives the drain of a process that shuts down. */
function remainingMs({ clock }: Gateway, { startedAtMs }: Generation, { deadlines }: PlanCandidate): number {
  return Math.max(0, Math.ceil(startedAtMs + deadlines.totalMs - clock.monotonicMs()));
}

/** Before the first dispatch. What cannot be written down is not begun, and keeps neither money nor a probe. */
function writeAccepted(gateway: Gateway, generation: Generation, candidate: PlanCandidate, pass: BreakerPass, reservation: AttemptReservation): void {
  try {
    gateway.journal.accepted(generation, candidate);
  } catch (error) {
    gateway.reserver.cancel(reservation);
    gateway.breakers.release(candidate.endpoint.endpointId, pass);
    throw error;
  }
}

async function retryOnce(
  gateway: Gateway,
  generation: Generation,
  { candidate, isLast }: Turn,
  failed: FinalAttempt,
  answer: GenerationAnswer,
): Promise<FinalAttempt> {
  const jitter = 0.8 + 0.4 * gateway.random.nextFloat();
  await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS * jitter));
  const isTooLate = gateway.clock.monotonicMs() >= failed.reservation.reservation.settleBeforeMs || remainingMs(gateway, generation, candidate) === 0;
  if (answer.isClientGone || isTooLate) return failed;
  const pass = gateway.breakers.acquireAnyway(candidate.endpoint.endpointId);
  return attemptOnce(gateway, generation, { candidate, pass, isLast }, failed.reservation, answer);
}

/** Nothing behind it could be tried, for want of money: its own was free for that, and is reserved once more. */
async function retryPaidAnew(gateway: Gateway, generation: Generation, turn: Turn, failed: FinalAttempt, answer: GenerationAnswer): Promise<FinalAttempt> {
  const released = { ...failed, reservation: gateway.reserver.cancel(failed.reservation) };
  const reservation = await admit(gateway, generation, turn.candidate, {});
  return reservation ? retryOnce(gateway, generation, turn, { ...failed, reservation }, answer) : released;
}

/** Lets the last bytes go once the end is written, and marks it when they arrived. */
async function finishAnswer(
  gateway: Gateway,
  generation: Generation,
  attempt: AttemptRecord,
  settlement: Settlement,
  written: Promise<void>,
  answer: GenerationAnswer,
): Promise<void> {
  try {
    await written;
  } catch (error) {
    gateway.logger.error('the end of a generation could not be written', { error, ...logFieldsOf(generation.trace), generationId: generation.id });
    const failure = new SwitchyardError('gateway_unavailable', 'The gateway cannot record requests at the moment.', { retryAfterMs: 1_000 });
    generation.trace?.refused(failure.type, failure.httpStatus);
    gateway.metrics.refused(generation.request.apiType, failure);
    await answer.fail(failure);
    return;
  }
  gateway.metrics.generationEnded(generation, attempt, settlement);
  if (attempt.end === 'client_gone') {
    // One that only stopped reading is still there: should it read on, its answer must not look whole.
    if (!answer.isClientGone) await answer.fail(new SwitchyardError('timeout', 'The answer was not read in time.'));
    return gateway.journal.delivered(generation);
  }
  const arrived = isAnswered(attempt)
    ? await answer.complete(generation, attempt, settlement)
    : await answer.fail(failureOf(generation.attempts, generation.request.routing));
  // A client that left has nothing to be confirmed; a whole answer it abandoned is charged all the same.
  if (arrived || answer.isClientGone) gateway.journal.delivered(generation);
}
