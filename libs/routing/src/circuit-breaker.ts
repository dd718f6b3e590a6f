/** What routing asks of the breakers of its process. */
export interface BreakerView {
  /** Undefined: closed, and no failure lately. `nowMs` is unix milliseconds. */
  stateOf(endpointId: string, nowMs: number): BreakerState | undefined;
}

export interface BreakerState {
  readonly phase: 'closed' | 'open' | 'half_open';
  /** Significant outage in the last 30 s. */
  readonly isFailing: boolean;
  /** Half-open and its single probe is free. */
  readonly mayProbe: boolean;
  /** Unix milliseconds at which an open breaker lets a probe through; 0 when it is not open. */
  readonly openUntilMs: number;
  readonly failureCount: number;
}
