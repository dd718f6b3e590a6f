import type { RefusalKind } from './fault-plan.js';
import type { SimulatedAnswer, SimulatedRequest } from './simulated-chat.js';

/** One wire dialect as a provider speaks it. */
export interface SimulatedWire {
  /** `path` is the request's path, for dialects that name the model there. */
  read(body: unknown, path: string): SimulatedRequest;
  whole(request: SimulatedRequest, answer: SimulatedAnswer): unknown;
  /** Server-sent events in order, terminator included. */
  stream(request: SimulatedRequest, answer: SimulatedAnswer): Generator<string>;
  /** An event that tells of an error in mid-stream. */
  errorFrame(): string;
  /** The answer to a request that is refused as a whole. */
  refusal(kind: RefusalKind): SimulatedRefusal;
}

/** A status of 200 is how some dialects say that they will not answer; streams then carry the body as their only event. */
export interface SimulatedRefusal {
  readonly status: number;
  readonly body: unknown;
}
