import { DEMANDS_OUTPUT_CAP } from '@switchyard/dialects';
import { SwitchyardError } from '@switchyard/errors';
import { billing } from '@switchyard/proto';
import { findManifest } from '@switchyard/providers';
import type { PlanCandidate } from '@switchyard/routing';
import type { Generation } from '../core/generation.js';
import { affordableOutputTokens, countedTokenBound, endpointInputTokenBound, maximumCharge } from '../core/reservation-bound.js';
import { moneyNeeds } from '../core/scope-needs.js';
import type { Settlement } from '../core/settlement.js';
import { quotaOutputTokens, type OutputWish } from './quota-keeper.js';
import { isShortage, type Reservation, type Shortage } from './reservation.js';
import type { Wallet } from './wallet.js';

/** What one attempt may spend, and the output cap that keeps it within. */
export interface AttemptReservation {
  readonly reservation: Reservation;
  readonly reservedPico: bigint;
  /** Sent upstream; undefined for answers without output tokens, and where the longest that the provider can give is reserved. */
  readonly outputTokenCap: number | undefined;
}

/** An endpoint that does not fit: `affordableTokens` is what would. */
export interface Unaffordable {
  readonly shortage: billing.ScopeShortage;
  readonly requestedTokens: number;
  readonly affordableTokens: number;
}

/** Counts a request's prompt without its media exactly, away from the event loop; undefined when it cannot. */
export interface PromptTokenCounter {
  count(body: Uint8Array): Promise<number | undefined>;
}

export interface ReserverOptions {
  /** Output cap where neither the client nor the endpoint names one. */
  readonly defaultOutputTokens: number;
  /** Below this an answer that the client did not limit is not worth starting. */
  readonly minOutputTokens: number;
}

/** A cap for the context's sake that leaves an answer this much room is sent. */
const ROOMY_OUTPUT_TOKENS = 4_096;
/** How many more tokens than the counter some models see in the same text. */
const OTHER_TOKENIZERS_FACTOR = 1.25;

const NOTHING_RESERVED: Reservation = { parts: [], settleBeforeMs: Number.POSITIVE_INFINITY };

/** Reserves an attempt's maximum cost. */
export class AttemptReserver {
  constructor(
    private readonly wallet: Wallet,
    private readonly tokenCounter: PromptTokenCounter,
    private readonly options: ReserverOptions,
  ) {}

  /** @throws SwitchyardError `gateway_unavailable` when billing cannot be asked. */
  reserve(generation: Generation, candidate: PlanCandidate): Promise<AttemptReservation | Unaffordable> {
    const inputTokens = endpointInputTokenBound(generation.request.bound, candidate.endpoint.contextLength);
    const cap = this.outputCap(generation, candidate, inputTokens);
    if (cap === undefined) return this.reserveInCrampedContext(generation, candidate, inputTokens);
    return this.reserveUpTo(generation, candidate, inputTokens, cap);
  }

  /** What an answer that the client did not limit takes of a quota of tokens, whichever candidate writes it. */
  outputWish(generation: Generation, candidates: readonly PlanCandidate[]): OutputWish {
    let most = 0;
    for (const candidate of candidates) {
      const inputTokens = endpointInputTokenBound(generation.request.bound, candidate.endpoint.contextLength);
      const cap = this.outputCap(generation, candidate, inputTokens) ?? Math.min(this.maximumOf(generation, candidate), ROOMY_OUTPUT_TOKENS);
      most = Math.max(most, cap);
    }
    return { most, least: this.options.minOutputTokens };
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

  private async reserveUpTo(generation: Generation, candidate: PlanCandidate, inputTokens: number, cap: number): Promise<AttemptReservation | Unaffordable> {
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

  /**
   * The client's own cap, else the endpoint's maximum or what its context has room for after the longest that the prompt can be;
   * undefined where that is hardly anything.
   */
  private outputCap(generation: Generation, candidate: PlanCandidate, inputTokens: number): number | undefined {
    const { request } = generation;
    const { endpoint } = candidate;
    if (request.apiType === 'embeddings') return 0;
    if (request.maxOutputTokens !== undefined) return Math.floor(request.maxOutputTokens);
    const maximum = this.maximumOf(generation, candidate);
    if (endpoint.contextLength === undefined || endpoint.contextLength - inputTokens >= maximum) return maximum;
    const room = Math.floor(endpoint.contextLength - inputTokens);
    return room >= Math.min(maximum, ROOMY_OUTPUT_TOKENS) ? room : undefined;
  }

  /** What the endpoint can write and the generation's token quotas allow. */
  private maximumOf({ quota, request }: Generation, { endpoint }: PlanCandidate): number {
    const maximum = Math.floor(endpoint.maxCompletionTokens ?? this.options.defaultOutputTokens);
    return quota ? Math.min(maximum, quotaOutputTokens({ quota, request })) : maximum;
  }

  /**
   * What the prompt may count as fills the context; what it does count as leaves room nearly always, but how much only the provider
   * knows: it refuses a cap that is too large. So none is sent where the longest answer that it can give is paid for.
   */
  private async reserveInCrampedContext(generation: Generation, candidate: PlanCandidate, inputTokens: number): Promise<AttemptReservation | Unaffordable> {
    const { endpoint } = candidate;
    const maximum = this.maximumOf(generation, candidate);
    const modestCap = Math.min(maximum, ROOMY_OUTPUT_TOKENS);
    if (needsCap(candidate)) {
      const room = endpoint.contextLength! - (await this.likelyPromptTokens(generation));
      return this.reserveUpTo(generation, candidate, inputTokens, Math.max(modestCap, Math.min(maximum, Math.floor(room))));
    }
    // A quota of tokens needs a cap too.
    if (quotaOutputTokens(generation) !== Number.POSITIVE_INFINITY) return this.reserveUpTo(generation, candidate, inputTokens, modestCap);
    const longest = Math.floor(Math.min(endpoint.maxCompletionTokens ?? Number.POSITIVE_INFINITY, endpoint.contextLength!));
    const result = await this.reserveTokens(generation, candidate, inputTokens, longest);
    if ('reservation' in result) {
      if (result.outputTokenCap === longest) return { ...result, outputTokenCap: undefined };
      this.cancel(result);
    }
    return this.reserveUpTo(generation, candidate, inputTokens, modestCap);
  }

  private async countTokens({ request }: Generation, boundTokens: number): Promise<number> {
    // Of what the provider fetches itself nothing can be counted here.
    if (request.bound.hasRemoteMedia) return boundTokens;
    const counted = await this.tokenCounter.count(request.body);
    return counted === undefined ? boundTokens : Math.min(boundTokens, countedTokenBound(request.bound, counted));
  }

  /** Never for money. */
  private async likelyPromptTokens({ request }: Generation): Promise<number> {
    const counted = await this.tokenCounter.count(request.body);
    return counted === undefined ? request.routing.promptTokensEstimate : countedTokenBound(request.bound, counted) * OTHER_TOKENIZERS_FACTOR;
  }
}

/** An operator's own provider names whose dialect it speaks. */
function needsCap({ endpoint: { providerSlug, record } }: PlanCandidate): boolean {
  const manifest = findManifest(record.traits['manifest'] ?? providerSlug);
  return manifest !== undefined && DEMANDS_OUTPUT_CAP[manifest.dialect];
}

/** Every scope of an attempt has the same amount reserved: its first one tells it. */
function reservedOfScope({ parts }: Reservation): bigint {
  const scope = parts[0]?.leases;
  return parts.reduce((sum, part) => (part.leases === scope ? sum + part.amount : sum), 0n);
}

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
