import type { ChannelOptions } from '@grpc/grpc-js';

/** What a session needs of a logger. */
export interface SessionLogger {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export const MEBIBYTE = 1024 * 1024;

/** A start frame carries the client's whole body (32 MiB by default), and the rest of a message is small beside it. */
const MAX_MESSAGE_BYTES = 64 * MEBIBYTE;
/** Of one start frame; what else is in it is small. A message that is too large would end its session, and with it the attempts of all others. */
export const MAX_BODY_BYTES = MAX_MESSAGE_BYTES - MEBIBYTE;

export interface KeepaliveOptions {
  /** A ping goes out after this much silence. */
  readonly timeMs: number;
  /** A connection whose ping stays unanswered for this long is dead. */
  readonly timeoutMs: number;
}

/**
 * A dead worker is found within 20 s. Not sooner, since every answer of a session ends with it: a machine that is starved of CPU for some seconds, on either
 * side, answers late and is not dead.
 */
export const DEFAULT_KEEPALIVE: KeepaliveOptions = { timeMs: 5_000, timeoutMs: 15_000 };

/** Channel options for both sides of a session; half-open connections are found by pings. */
export function sessionChannelOptions(keepalive: KeepaliveOptions = DEFAULT_KEEPALIVE): ChannelOptions {
  return {
    'grpc.keepalive_time_ms': keepalive.timeMs,
    'grpc.keepalive_timeout_ms': keepalive.timeoutMs,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    // One session, one TCP connection: channels must not share theirs.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    // Services reach each other directly, also where everything else goes out through a proxy.
    'grpc.enable_http_proxy': 0,
    // A session carries many answers; HTTP/2's 64 KiB default would make them wait for each other's acknowledgements.
    'grpc-node.flow_control_window': 4 * MEBIBYTE,
  };
}
