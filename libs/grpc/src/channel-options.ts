import type { ChannelOptions } from '@grpc/grpc-js';
import { DEFAULT_KEEPALIVE } from './sessions/session-options.js';

/** A snapshot of a large routing table is a few megabytes; nothing legitimate is larger than this. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** For every client: pings find dead peers in 10 s, reconnecting starts quickly and stays frequent, names with several addresses are balanced. */
export const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
  // Services reach each other directly, also where everything else goes out through a proxy.
  'grpc.enable_http_proxy': 0,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  // Two clients of one process must not share a connection's fate or its flow control.
  'grpc.use_local_subchannel_pool': 1,
};

/** As patient with a starved machine as sessions are: they all end with their connection, whichever side gives it up. */
export const SERVER_OPTIONS: ChannelOptions = {
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': DEFAULT_KEEPALIVE.timeoutMs,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
};
