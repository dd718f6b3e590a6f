import { SwitchyardError } from '@switchyard/errors';
import { billing } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import type { Generation } from '../core/generation.js';
import { affordableOutputTokens, inputTokenBound, maximumCharge } from '../core/reservation-bound.js';
import { moneyNeeds } from '../core/scope-needs.js';
import type { Settlement } from '../core/settlement.js';
import { isShortage, type Reservation, type Shortage, type Wallet } from './wallet.js';

/** What one attempt may spend, and the output cap that keeps it within. */
export interface AttemptReservation {
  readonly reservation: Reservation;
  readonly reservedPico: bigint;
  /** Sent upstream; undefined for answers without output tokens. */
  readonly outputTokenCap: number | undefined;
}

/** An endpoint that does not fit: `affordableTokens` is what would. */
export interface Unaffordable {
  readonly shortage: billing.ScopeShortage;
  readonly requestedTokens: number;
  readonly affordableTokens: number;
}

/** Counts a request's prompt exactly, away from the event loop; undefined when it cannot. */
export interface PromptTokenCounter {
  count(body: Uint8Array): Promise<number | undefined>;
}

export interface ReserverOptions {
  /** Output cap where neither the client nor the endpoint names one. */
  readonly defaultOutputTokens: number;
  /** Below this an answer that the client did not limit is not worth starting. */
  readonly minOutputTokens: number;
}

const NOTHING_RESERVED: Reservation = { parts: [], settleBeforeMs: Number.POSITIVE_INFINITY };
/** The remaining credit may move while we compute against it; more rounds than this mean real contention. */
const MAX_SHRINKS = 3;

/** Reserves an attempt's maximum cost: semantics §3. */
export class AttemptReserver {
  constructor(
    private readonly wallet: Wallet,
    private readonly tokenCounter: PromptTokenCounter,
    private readonly options: ReserverOptions,
  ) {}

  /** @throws SwitchyardError `gateway_unavailable` when billing cannot be asked. */
  async reserve(generation: Generation, candidate: PlanCandidate): Promise<AttemptReservation | Unaffordable> {
    const inputTokens = inputTokenBound(generation.request.bound);
    const cap = this.outputCap(generation, candidate);
    const result = await this.reserveTokens(generation, candidate, inputTokens, cap);
    if ('reservation' in result) return result;
    // The cheap bound does not fit: count exactly before anybody is refused.
    const counted = await this.tokenCounter.count(generation.request.body);
    const exactTokens =
      counted === undefined ? inputTokens : Math.min(inputTokens, counted + generation.request.bound.imageCount * IMAGE_TOKENS + FRAME_TOKENS);
    return this.reserveWhatFits(generation, candidate, exactTokens, cap);
  }

  /** Books a generation's charge on its last attempt's leases, which the event then names. */
  settle(generation: Generation, reservation: AttemptReservation, settlement: Settlement): void {
    const chargePico = settlement.charge.amountPico;
    const uses = this.wallet.settle(reservation.reservation, () => chargePico);
    if (chargePico === 0n) return;
    generation.leaseUses.push(...uses.filter((use) => use.amount > 0n));
    if (chargePico > reservation.reservedPico) generation.flags.add('underestimated');
  }

  /** The attempt cost the customer nothing; what is left of its reservation is empty. */
  cancel(reservation: AttemptReservation): AttemptReservation {
    this.wallet.settle(reservation.reservation, () => 0n);
    return { ...reservation, reservation: NOTHING_RESERVED };
  }

  private async reserveWhatFits(
    generation: Generation,
    candidate: PlanCandidate,
    inputTokens: number,
    requestedCap: number,
  ): Promise<AttemptReservation | Unaffordable> {
    let cap = requestedCap;
    let refused: Unaffordable | undefined;
    for (let round = 0; round <= MAX_SHRINKS; round++) {
      const result = await this.reserveTokens(generation, candidate, inputTokens, cap);
      if ('reservation' in result) return result;
      refused = { ...result, requestedTokens: requestedCap };
      const isExplicit = generation.request.maxOutputTokens !== undefined;
      if (isExplicit || result.affordableTokens < this.options.minOutputTokens) return refused;
      cap = Math.min(cap, result.affordableTokens);
    }
    return refused!;
  }

  private async reserveTokens(generation: Generation, candidate: PlanCandidate, inputTokens: number, cap: number): Promise<AttemptReservation | Unaffordable> {
    const { bound } = generation.request;
    const reservedPico = maximumCharge(candidate.chargeSchedule, bound, inputTokens, cap);
    const needs = moneyNeeds(generation.key, reservedPico, generation.acceptTimeMs);
    const outputTokenCap = generation.request.routing.apiType === 'embeddings' ? undefined : cap;
    if (needs.length === 0) return { reservation: NOTHING_RESERVED, reservedPico, outputTokenCap };
    const reservation = this.wallet.tryReserve(needs) ?? (await this.wallet.reserve(needs, generation.acceptTimeMs));
    if (!isShortage(reservation)) return { reservation, reservedPico, outputTokenCap };
    const availablePico = this.availableFor(reservation);
    return {
      shortage: reservation.shortage,
      requestedTokens: cap,
      affordableTokens: affordableOutputTokens(candidate.chargeSchedule, bound, inputTokens, availablePico),
    };
  }

  /** What billing still has, and what we hold of the scope unreserved. */
  private availableFor(shortage: Shortage): bigint {
    return shortage.shortage.available + this.wallet.heldAvailable(shortage.shortage.scope!);
  }

  private outputCap(generation: Generation, candidate: PlanCandidate): number {
    const { request } = generation;
    if (request.apiType === 'embeddings') return 0;
    const { endpoint } = candidate;
    const contextLeft =
      endpoint.contextLength === undefined ? Number.POSITIVE_INFINITY : Math.max(1, endpoint.contextLength - request.routing.promptTokensEstimate);
    const endpointMaximum = Math.min(endpoint.maxCompletionTokens ?? this.options.defaultOutputTokens, contextLeft);
    return Math.floor(request.maxOutputTokens ?? endpointMaximum);
  }
}

const IMAGE_TOKENS = 6_000;
const FRAME_TOKENS = 512;

/** The 402 of a request that no candidate could be paid for; names how many tokens would fit. */
export function unaffordableError(unaffordable: Unaffordable): SwitchyardError {
  const { shortage, requestedTokens, affordableTokens } = unaffordable;
  const scope = shortage.scope?.kind === billing.LeaseScopeKind.KEY_LIMIT ? 'key_limit' : 'account_credit';
  const metadata = { scope, requested_tokens: requestedTokens, affordable_tokens: Math.max(0, affordableTokens) };
  const subject = scope === 'key_limit' ? 'Key limit exceeded' : 'Insufficient credits';
  if (affordableTokens <= 0) return new SwitchyardError('payment_required', `${subject}. Add credits or raise the limit, then try again.`, { metadata });
  return new SwitchyardError(
    'payment_required',
    `This request requires more credits, or fewer max_tokens. You requested up to ${requestedTokens} tokens, but can only afford ${affordableTokens}.`,
    { metadata },
  );
}
