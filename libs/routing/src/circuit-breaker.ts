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

/** Held by an attempt while it runs, and given back with what came of it: so the breaker knows its probe, and evidence from before it opened. */
export interface BreakerPass {
  /** How often the breaker had opened when the attempt was begun. */
  readonly openings: number;
}

const FIRST_PASS: BreakerPass = { openings: 0 };

/** This many failures in a row open the breaker; a timeout counts as two, because it cost a client its wait. */
const FAILURES_TO_OPEN = 3;
/** First time open; doubles with every failed probe up to the maximum. */
const OPEN_MS = 5_000;
const OPEN_MAX_MS = 30_000;
/** Open time of a 429 that names none. */
const RATE_LIMITED_MS = 1_000;
/** Longest `Retry-After` that is believed. */
const RETRY_AFTER_MAX_MS = 600_000;
/** A probe that nobody reported back is given up after this. */
const PROBE_TIMEOUT_MS = 60_000;
/** Share of failures within the window that is an outage, as this process or all of them saw it. */
export const OUTAGE_SHARE = 0.2;

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

  stateOf(endpointId: string, nowMs: number): BreakerState | undefined {
    return this.#breakers.get(endpointId)?.state(nowMs);
  }

  /** Call right before an attempt. Undefined: this endpoint is open or its one probe is under way; do not try it now. */
  tryAcquire(endpointId: string, nowMs: number): BreakerPass | undefined {
    const breaker = this.#breakers.get(endpointId);
    return breaker ? breaker.tryAcquire(nowMs) : FIRST_PASS;
  }

  /** For an attempt that is made although the breaker lets nothing through, because nothing else is left to try. */
  acquireAnyway(endpointId: string): BreakerPass {
    return this.#breakers.get(endpointId)?.pass ?? FIRST_PASS;
  }

  /** An attempt was not made, or ended without evidence (the client left, our own fault): if it was the probe, the next request may be. */
  release(endpointId: string, pass: BreakerPass): void {
    this.#breakers.get(endpointId)?.release(pass);
  }

  /** An attempt's first content came. After a 429 that says enough: a stream may go on for minutes, and nobody else would get through meanwhile. */
  recordContent(endpointId: string, pass: BreakerPass, nowMs: number): void {
    this.#breakers.get(endpointId)?.content(pass, nowMs);
  }

  recordSuccess(endpointId: string, pass: BreakerPass, nowMs: number): void {
    this.#breakerOf(endpointId, nowMs).success(pass, nowMs);
  }

  recordFailure(endpointId: string, pass: BreakerPass, nowMs: number, failure: BreakerFailure): void {
    this.#breakerOf(endpointId, nowMs).failure(pass, nowMs, failure);
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
      breaker = new Breaker(nowMs);
      this.#breakers.set(endpointId, breaker);
    }
    return breaker;
  }
}

class Breaker {
  /** 0 while closed. */
  #openUntilMs = 0;
  #openMs = OPEN_MS;
  #failuresInARow = 0;
  /** Of all attempts but the probe, since it opened last. */
  #pass = FIRST_PASS;
  /** Of the one attempt that is let through while half-open. */
  #probe: BreakerPass | undefined;
  #probeUntilMs = 0;
  readonly #successes = new Uint32Array(BUCKET_COUNT);
  readonly #failures = new Uint32Array(BUCKET_COUNT);
  #bucketNumber: number;
  #hasFailures = false;

  constructor(nowMs: number) {
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
    const isFailing = phase !== 'closed' || this.#failuresInARow >= 2 || failureCount >= OUTAGE_SHARE * (failureCount + sum(this.#successes));
    return {
      phase,
      isFailing: failureCount > 0 && isFailing,
      mayProbe: phase === 'half_open' && !this.#isProbing(nowMs),
      openUntilMs: this.#openUntilMs,
      failureCount,
    };
  }

  get pass(): BreakerPass {
    return this.#pass;
  }

  tryAcquire(nowMs: number): BreakerPass | undefined {
    const phase = this.#phase(nowMs);
    if (phase === 'closed') return this.#pass;
    if (phase === 'open' || this.#isProbing(nowMs)) return undefined;
    this.#probe = { ...this.#pass };
    this.#probeUntilMs = nowMs + PROBE_TIMEOUT_MS;
    return this.#probe;
  }

  release(pass: BreakerPass): void {
    if (pass === this.#probe) this.#probe = undefined;
  }

  content(pass: BreakerPass, nowMs: number): void {
    // Who failed has to come to an end first: it may cut its streams.
    if (this.#isStale(pass) || this.#phase(nowMs) !== 'half_open' || this.#failuresInARow >= FAILURES_TO_OPEN) return;
    this.#close();
  }

  success(pass: BreakerPass, nowMs: number): void {
    this.#advance(nowMs);
    this.#successes[this.#slot()]!++;
    if (this.#isStale(pass)) return;
    this.#close();
    this.#openMs = OPEN_MS;
    this.#failuresInARow = 0;
  }

  failure(pass: BreakerPass, nowMs: number, failure: BreakerFailure): void {
    this.#advance(nowMs);
    // Whenever the attempt was begun, how long to wait is counted from now.
    if (failure.kind === 'rate_limited') {
      const retryAfterMs = Math.min(failure.retryAfterMs ?? RATE_LIMITED_MS, RETRY_AFTER_MAX_MS);
      this.#open(nowMs, Math.max(retryAfterMs, 1));
      return;
    }
    this.#failures[this.#slot()]!++;
    this.#hasFailures = true;
    if (this.#isStale(pass)) return;
    const phase = this.#phase(nowMs);
    this.#failuresInARow += failure.kind === 'timed_out' ? 2 : 1;
    if (phase === 'half_open') this.#openMs = Math.min(this.#openMs * 2, OPEN_MAX_MS);
    if (phase !== 'closed' || this.#failuresInARow >= FAILURES_TO_OPEN) this.#open(nowMs, this.#openMs);
  }

  #open(nowMs: number, forMs: number): void {
    if (this.#phase(nowMs) !== 'open') this.#pass = { openings: this.#pass.openings + 1 };
    this.#openUntilMs = Math.max(this.#openUntilMs, nowMs + forMs);
    this.#probe = undefined;
  }

  #close(): void {
    this.#openUntilMs = 0;
    this.#probe = undefined;
  }

  /** An attempt that was begun before the breaker opened says nothing about the endpoint now. */
  #isStale(pass: BreakerPass): boolean {
    return pass.openings !== this.#pass.openings;
  }

  #isProbing(nowMs: number): boolean {
    return this.#probe !== undefined && this.#probeUntilMs > nowMs;
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
