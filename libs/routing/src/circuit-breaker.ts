/** What routing asks of the breakers of its process. */
export interface BreakerView {
  /** Undefined: closed, and no outage lately. `nowMs` is monotonic milliseconds. */
  stateOf(endpointId: string, nowMs: number): BreakerState | undefined;
}

export interface BreakerState {
  readonly phase: BreakerPhase;
  /** Significant outage in the last 30 s. */
  readonly isFailing: boolean;
  /** Half-open and its single probe is free. */
  readonly mayProbe: boolean;
  /** Monotonic milliseconds at which an open breaker lets a probe through; 0 when it is closed. */
  readonly openUntilMs: number;
  /** Failures within the last 30 s. */
  readonly failureCount: number;
}

export type BreakerPhase = 'closed' | 'open' | 'half_open';

export interface BreakerSettings {
  /** This many failures in a row open the breaker; a timeout counts as two, because it cost a client its wait. */
  readonly failuresToOpen: number;
  /** First time open; doubles with every failed probe up to the maximum. */
  readonly openMs: number;
  readonly openMaxMs: number;
  /** Open time of a 429 that names none. */
  readonly rateLimitedMs: number;
  /** Longest `Retry-After` that is believed. */
  readonly retryAfterMaxMs: number;
  /** A probe that nobody reported back is given up after this. */
  readonly probeTimeoutMs: number;
  /** Share of failures within the window that is an outage. */
  readonly outageShare: number;
}

export const DEFAULT_BREAKER_SETTINGS: BreakerSettings = {
  failuresToOpen: 3,
  openMs: 5_000,
  openMaxMs: 30_000,
  rateLimitedMs: 1_000,
  retryAfterMaxMs: 600_000,
  probeTimeoutMs: 60_000,
  outageShare: 0.2,
};

export type BreakerFailure =
  { readonly kind: 'failed' } | { readonly kind: 'timed_out' } | { readonly kind: 'rate_limited'; readonly retryAfterMs?: number | undefined };

const BUCKET_MS = 5_000;
const BUCKET_COUNT = 6;

/**
 * One breaker per endpoint in this process. A pure state machine: callers pass monotonic milliseconds.
 * closed → open after failures in a row → half-open after its time, which lets one probe through → closed or open again.
 */
export class CircuitBreakers implements BreakerView {
  readonly #breakers = new Map<string, Breaker>();
  readonly #settings: BreakerSettings;

  constructor(settings: Partial<BreakerSettings> = {}) {
    this.#settings = { ...DEFAULT_BREAKER_SETTINGS, ...settings };
  }

  stateOf(endpointId: string, nowMs: number): BreakerState | undefined {
    return this.#breakers.get(endpointId)?.state(nowMs);
  }

  /** Call right before an attempt. False: this endpoint is open or its one probe is under way; do not try it now. */
  tryAcquire(endpointId: string, nowMs: number): boolean {
    return this.#breakers.get(endpointId)?.tryAcquire(nowMs) ?? true;
  }

  /** An acquired attempt ended without evidence (the client left, our own fault): the probe is free again. */
  release(endpointId: string): void {
    this.#breakers.get(endpointId)?.release();
  }

  recordSuccess(endpointId: string, nowMs: number): void {
    this.#breakerOf(endpointId, nowMs).success(nowMs);
  }

  recordFailure(endpointId: string, nowMs: number, failure: BreakerFailure): void {
    this.#breakerOf(endpointId, nowMs).failure(nowMs, failure);
  }

  /** Forgets endpoints that left the routing table. */
  retain(endpointIds: { has(endpointId: string): boolean }): void {
    for (const endpointId of this.#breakers.keys()) {
      if (!endpointIds.has(endpointId)) this.#breakers.delete(endpointId);
    }
  }

  /** All evidence that there is, by endpoint: for explanations made elsewhere. */
  states(nowMs: number): Record<string, BreakerState> {
    const states: Record<string, BreakerState> = {};
    for (const [endpointId, breaker] of this.#breakers) {
      const state = breaker.state(nowMs);
      if (state) states[endpointId] = state;
    }
    return states;
  }

  #breakerOf(endpointId: string, nowMs: number): Breaker {
    let breaker = this.#breakers.get(endpointId);
    if (!breaker) {
      breaker = new Breaker(this.#settings, nowMs);
      this.#breakers.set(endpointId, breaker);
    }
    return breaker;
  }
}

class Breaker {
  /** 0 while closed. */
  #openUntilMs = 0;
  #openMs: number;
  #failuresInARow = 0;
  #probeUntilMs = 0;
  readonly #successes = new Uint32Array(BUCKET_COUNT);
  readonly #failures = new Uint32Array(BUCKET_COUNT);
  #bucketNumber: number;
  #hasFailures = false;

  constructor(
    private readonly settings: BreakerSettings,
    nowMs: number,
  ) {
    this.#openMs = settings.openMs;
    this.#bucketNumber = Math.floor(nowMs / BUCKET_MS);
  }

  state(nowMs: number): BreakerState | undefined {
    // The path of nearly every request: nothing failed since the counts were last empty.
    if (this.#openUntilMs === 0 && !this.#hasFailures) return undefined;
    this.#advance(nowMs);
    const failureCount = sum(this.#failures);
    this.#hasFailures = failureCount > 0;
    if (this.#openUntilMs === 0 && failureCount === 0) return undefined;
    const phase = this.#phase(nowMs);
    const isFailing = phase !== 'closed' || this.#failuresInARow >= 2 || failureCount >= this.settings.outageShare * (failureCount + sum(this.#successes));
    return {
      phase,
      isFailing: failureCount > 0 && isFailing,
      mayProbe: phase === 'half_open' && this.#probeUntilMs <= nowMs,
      openUntilMs: this.#openUntilMs,
      failureCount,
    };
  }

  tryAcquire(nowMs: number): boolean {
    const phase = this.#phase(nowMs);
    if (phase === 'closed') return true;
    if (phase === 'open' || this.#probeUntilMs > nowMs) return false;
    this.#probeUntilMs = nowMs + this.settings.probeTimeoutMs;
    return true;
  }

  release(): void {
    this.#probeUntilMs = 0;
  }

  success(nowMs: number): void {
    this.#advance(nowMs);
    this.#successes[this.#slot()]!++;
    // A stream that began before the breaker opened says nothing about the endpoint now.
    if (this.#phase(nowMs) === 'open') return;
    this.#openUntilMs = 0;
    this.#openMs = this.settings.openMs;
    this.#failuresInARow = 0;
    this.#probeUntilMs = 0;
  }

  failure(nowMs: number, failure: BreakerFailure): void {
    this.#advance(nowMs);
    const phase = this.#phase(nowMs);
    if (failure.kind === 'rate_limited') {
      const retryAfterMs = Math.min(failure.retryAfterMs ?? this.settings.rateLimitedMs, this.settings.retryAfterMaxMs);
      this.#open(nowMs + Math.max(retryAfterMs, 1));
      return;
    }
    this.#failures[this.#slot()]!++;
    this.#hasFailures = true;
    this.#failuresInARow += failure.kind === 'timed_out' ? 2 : 1;
    if (phase === 'half_open') this.#openMs = Math.min(this.#openMs * 2, this.settings.openMaxMs);
    if (phase !== 'closed' || this.#failuresInARow >= this.settings.failuresToOpen) this.#open(nowMs + this.#openMs);
  }

  #open(untilMs: number): void {
    this.#openUntilMs = Math.max(this.#openUntilMs, untilMs);
    this.#probeUntilMs = 0;
  }

  #phase(nowMs: number): BreakerPhase {
    if (this.#openUntilMs === 0) return 'closed';
    return nowMs < this.#openUntilMs ? 'open' : 'half_open';
  }

  #slot(): number {
    return this.#bucketNumber % BUCKET_COUNT;
  }

  #advance(nowMs: number): void {
    const bucketNumber = Math.floor(nowMs / BUCKET_MS);
    const steps = Math.min(bucketNumber - this.#bucketNumber, BUCKET_COUNT);
    for (let step = 1; step <= steps; step++) {
      const slot = (this.#bucketNumber + step) % BUCKET_COUNT;
      this.#successes[slot] = 0;
      this.#failures[slot] = 0;
    }
    if (bucketNumber > this.#bucketNumber) {
      this.#bucketNumber = bucketNumber;
      if (steps === BUCKET_COUNT && this.#openUntilMs === 0) this.#failuresInARow = 0;
    }
  }
}

function sum(counts: Uint32Array): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
