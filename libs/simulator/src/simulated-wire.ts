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
  /** The body of an error status. */
  error(status: number): unknown;
}
