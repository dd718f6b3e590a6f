import { SwitchyardError } from '@switchyard/errors';
import { billing } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import type { Generation } from '../core/generation.js';
import { affordableOutputTokens, inputTokenBound, maximumCharge } from '../core/reservation-bound.js';
import { moneyNeeds } from '../core/scope-needs.js';
import type { Settlement } from '../core/settlement.js';
import { isShortage, type Reservation, type Shortage } from './reservation.js';
import type { Wallet } from './wallet.js';

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
    const isWhole = 'reservation' in result && (result.outputTokenCap ?? cap) >= cap;
    if (isWhole) return result;
    // The cheap bound does not fit: count exactly before anybody is refused or cut short.
    const exactTokens = await this.countTokens(generation, inputTokens);
    if (exactTokens >= inputTokens) return result;
    if (!('reservation' in result)) return this.reserveTokens(generation, candidate, exactTokens, cap);
    const affordable = affordableOutputTokens(candidate.chargeSchedule, generation.request.bound, exactTokens, result.reservedPico);
    return { ...result, outputTokenCap: Math.min(cap, affordable) };
  }

  private async countTokens({ request }: Generation, boundTokens: number): Promise<number> {
    const counted = await this.tokenCounter.count(request.body);
    return counted === undefined ? boundTokens : Math.min(boundTokens, counted + request.bound.imageCount * IMAGE_TOKENS + FRAME_TOKENS);
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

  /** The whole cap or, where the client named none, as much of it as can be paid for. */
  private async reserveTokens(generation: Generation, candidate: PlanCandidate, inputTokens: number, cap: number): Promise<AttemptReservation | Unaffordable> {
    const { chargeSchedule } = candidate;
    const { bound } = generation.request;
    const isEmbedding = generation.request.routing.apiType === 'embeddings';
    const mostPico = maximumCharge(chargeSchedule, bound, inputTokens, cap);
    const isFlexible = generation.request.maxOutputTokens === undefined && !isEmbedding && cap > this.options.minOutputTokens;
    const leastPico = isFlexible ? maximumCharge(chargeSchedule, bound, inputTokens, this.options.minOutputTokens) : undefined;
    const needs = moneyNeeds(generation.key, mostPico, generation.acceptTimeMs, leastPico);
    if (needs.length === 0) return { reservation: NOTHING_RESERVED, reservedPico: mostPico, outputTokenCap: isEmbedding ? undefined : cap };
    const reservation = this.wallet.tryReserve(needs) ?? (await this.wallet.reserve(needs, generation.acceptTimeMs, generation.trace));
    if (!isShortage(reservation)) {
      const reservedPico = reservedOfScope(reservation);
      const outputTokenCap = reservedPico < mostPico ? Math.min(cap, affordableOutputTokens(chargeSchedule, bound, inputTokens, reservedPico)) : cap;
      return { reservation, reservedPico, outputTokenCap: isEmbedding ? undefined : outputTokenCap };
    }
    const affordableTokens = affordableOutputTokens(chargeSchedule, bound, inputTokens, this.availableFor(reservation));
    return { shortage: reservation.shortage, requestedTokens: cap, affordableTokens };
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

/** Every scope of an attempt has the same amount reserved: its first one tells it. */
function reservedOfScope({ parts }: Reservation): bigint {
  const scope = parts[0]?.leases;
  return parts.reduce((sum, part) => (part.leases === scope ? sum + part.amount : sum), 0n);
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
