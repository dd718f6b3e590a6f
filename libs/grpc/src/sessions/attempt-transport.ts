import { worker } from '@switchyard/proto';
import type { CallTrace } from '@switchyard/telemetry';

/**
 * Bytes of data that a worker may send before the first grant: large enough that a usual answer never waits for one,
 * small enough that hundreds of stopped readers stay cheap.
 */
export const DEFAULT_INITIAL_GRANT_BYTES = 32 * 1024;

/** Grants are handed out in steps of this size, so that a fast reader costs few frames. */
export const DEFAULT_GRANT_STEP_BYTES = 16 * 1024;

/**
 * How an ingress has one attempt run. In process this is the worker's runner itself; over the network it is a session.
 * Both keep the same promises, which `test/contract/attempt-transport.contract.spec.ts` checks.
 */
export interface AttemptTransport {
  /**
   * Starts an attempt. Never throws and never calls the listener before it returned. A transport that cannot take the
   * attempt ends it with a typed error (`provider_overloaded`, `gateway_unavailable`) or with `SESSION_LOST`.
   */
  start(start: worker.StartFrame, listener: AttemptListener): AttemptHandle;
}

export interface AttemptHandle {
  /** The opening of the session that it travels over; undefined where nothing is traced. */
  readonly session?: CallTrace | undefined;
  /**
   * Allows `bytes` more bytes of data, on top of `StartFrame.initialGrantBytes`. The worker stops reading its upstream
   * while nothing is left; a single data frame may overdraw the window, never a second one. Debug chunks do not count. Ignored after
   * the end.
   */
  grant(bytes: number): void;
  /**
   * Stops the attempt and its upstream. `onEnd` still follows (normally with end CANCELLED, and before it the usage known
   * by then), also when the window is used up. Ignored after the end.
   */
  cancel(reason: string): void;
}

/** Calls come in this order: headers at most once, data and usage in the order of the upstream, end exactly once and last. */
export interface AttemptListener {
  /**
   * True: `onData` takes what it needs of a frame's bytes before it returns, so that they may be in memory that is used again at once.
   * Otherwise they stay as they are for as long as anybody keeps them.
   */
  readonly takesBytesAtOnce?: boolean;
  onHeaders(frame: worker.HeadersFrame): void;
  onData(frame: worker.DataFrame): void;
  /** Cumulative; the last one before the end counts. */
  onUsage(frame: worker.UsageFrame): void;
  onEnd(frame: worker.EndFrame): void;
}

/** What a listener gets when the connection to the worker broke: how the attempt ended is unknown. */
export function sessionLostEnd(message: string): worker.EndFrame {
  return worker.EndFrame.create({ end: worker.AttemptEnd.SESSION_LOST, error: { errorType: 'provider_unavailable', message } });
}
