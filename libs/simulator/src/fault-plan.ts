import { z } from 'zod';

/**
 * What a simulated provider does wrong. `delay`: waits before it answers. `rate_limit`, `server_error`: answers with that
 * status. `context_length`, `moderation`: refuses the prompt as too long or for what it says, as providers of that dialect do.
 * `cut`: closes the connection in mid-answer. `stall`: stops sending in mid-answer and keeps the connection.
 * `error_frame`: sends an error in mid-stream. `garbage`: sends bytes that are no answer.
 */
export const FAULT_KINDS = ['delay', 'rate_limit', 'server_error', 'context_length', 'moderation', 'cut', 'stall', 'error_frame', 'garbage'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
/** Faults that are a whole answer of their own. */
export type RefusalKind = Extract<FaultKind, 'rate_limit' | 'server_error' | 'context_length' | 'moderation'>;

export const faultSchema = z.strictObject({
  kind: z.enum(FAULT_KINDS),
  /** Share of requests that get it, 0 … 1. */
  share: z.number().min(0).max(1).default(1),
  /** Draws are repeatable: the same seed gives the same sequence. */
  seed: z.int().nonnegative().default(1),
  /** `delay`: milliseconds before the answer. */
  delayMs: z.int().nonnegative().max(600_000).default(1_000),
  /** `cut`, `stall`, `error_frame`: events of a stream sent before it, of a whole answer half of it; 0 = before the first byte of the body. */
  afterWords: z.int().nonnegative().default(3),
  /** `rate_limit`: value of `Retry-After` in seconds; absent = no such header. */
  retryAfterSeconds: z.number().nonnegative().optional(),
  /** The fault ends by itself after this time; absent = when it is removed. */
  forMs: z.int().positive().optional(),
  /** Only requests for this model. */
  model: z.string().optional(),
});
export type Fault = z.infer<typeof faultSchema>;

interface ActiveFault {
  readonly fault: Fault;
  readonly endsAtMs: number;
  state: number;
}

const MAX_FAULTS = 32;

/** The faults in force, drawn per request from their own seeds. */
export class FaultPlan {
  private active: ActiveFault[] = [];

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  add(fault: Fault): void {
    if (this.active.length >= MAX_FAULTS) this.active.shift();
    this.active.push({ fault, endsAtMs: fault.forMs === undefined ? Number.POSITIVE_INFINITY : this.nowMs() + fault.forMs, state: fault.seed >>> 0 });
  }

  clear(): void {
    this.active = [];
  }

  list(): Fault[] {
    return this.current().map((entry) => entry.fault);
  }

  /** What happens to one request; the first fault that hits it counts. */
  draw(model: string): Fault | undefined {
    for (const entry of this.current()) {
      if (entry.fault.model !== undefined && entry.fault.model !== model) continue;
      entry.state = (entry.state + 0x6d2b79f5) >>> 0;
      if (mulberry32(entry.state) < entry.fault.share) return entry.fault;
    }
    return undefined;
  }

  private current(): ActiveFault[] {
    const nowMs = this.nowMs();
    this.active = this.active.filter((entry) => entry.endsAtMs > nowMs);
    return this.active;
  }
}

/** A small generator with a 32-bit state (Mulberry32): good enough to draw faults, and repeatable. */
export function mulberry32(state: number): number {
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}
