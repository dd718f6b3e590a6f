import { byteSize, defineConfig, durationMs, field, integer, list, port, type ConfigOf } from '@switchyard/config';
import { DAY_MS } from '@switchyard/core';
import { z } from 'zod';

const duration = durationMs({ min: 1, max: DAY_MS });
const size = byteSize({ min: 1 });
const count = integer({ min: 1 });

export const ingressConfig = defineConfig({
  httpHost: field({ env: 'SWITCHYARD_HTTP_HOST', schema: z.string(), default: '127.0.0.1', description: 'Address the public HTTP server listens on.' }),
  httpPort: field({
    env: 'SWITCHYARD_HTTP_PORT',
    schema: port(),
    default: 8080,
    description: 'Port of the public HTTP server; 0 takes any free one.',
  }),
  corsOrigins: field({
    env: 'SWITCHYARD_CORS_ORIGINS',
    schema: list().refine((origins) => origins.every(isOrigin), 'must be * or origins such as https://app.example.com'),
    default: [],
    description:
      'Origins whose pages may call the public API from a browser, for example `https://app.example.com` or `tauri://localhost`, or `*` for all, as at OpenRouter; none by default.',
  }),
  maxBodyBytes: field({
    env: 'SWITCHYARD_MAX_BODY_BYTES',
    schema: size,
    default: 32 * 1024 * 1024,
    description: 'Largest request body in bytes; larger ones get 413, as do those over 63 MiB where the workers are other processes.',
  }),
  maxHeldBodyBytes: field({
    env: 'SWITCHYARD_MAX_HELD_BODY_BYTES',
    schema: size,
    default: 512 * 1024 * 1024,
    description: 'Most bytes that the request bodies in one ingress may take together; more get 503 with Retry-After.',
  }),
  maxHeaderBytes: field({
    env: 'SWITCHYARD_MAX_HEADER_BYTES',
    schema: size,
    default: 32 * 1024,
    description: 'Largest request header block in bytes; larger ones get 431.',
  }),
  maxConcurrentGenerations: field({
    env: 'SWITCHYARD_MAX_CONCURRENT_GENERATIONS',
    schema: count,
    default: 4_096,
    description: 'Generations that may run at once in one ingress; more get 503 with Retry-After.',
  }),
  maxNestingDepth: field({ env: 'SWITCHYARD_MAX_NESTING_DEPTH', schema: count, default: 128, description: 'Deepest nesting of a JSON body.' }),
  maxMessageCount: field({ env: 'SWITCHYARD_MAX_MESSAGE_COUNT', schema: count, default: 10_000, description: 'Most messages in one request.' }),
  maxToolCount: field({ env: 'SWITCHYARD_MAX_TOOL_COUNT', schema: count, default: 1_024, description: 'Most tools in one request.' }),
  maxContentPartCount: field({
    env: 'SWITCHYARD_MAX_CONTENT_PART_COUNT',
    schema: count,
    default: 10_000,
    description: 'Most content parts in all messages of one request together, and most tool calls; more get 400.',
  }),
  requestTimeoutMs: field({
    env: 'SWITCHYARD_REQUEST_TIMEOUT_MS',
    schema: duration,
    default: 120_000,
    description: 'Longest time a client may take to send its request.',
  }),
  minUploadBytesPerSecond: field({
    env: 'SWITCHYARD_MIN_UPLOAD_BYTES_PER_SECOND',
    schema: size,
    default: 32 * 1024,
    description: 'Slowest that a request body which takes longer than ten seconds may come, in bytes per second on average; slower ones get 408.',
  }),
  keepAliveCommentMs: field({
    env: 'SWITCHYARD_KEEP_ALIVE_COMMENT_MS',
    schema: duration,
    default: 10_000,
    description: 'Silence in a stream after which a comment shows that it lives.',
  }),
  keyGraceMs: field({
    env: 'SWITCHYARD_KEY_GRACE_MS',
    schema: duration,
    default: 300_000,
    description: 'How long keys verified earlier are served while billing cannot be reached.',
  }),
  keyCacheSize: field({ env: 'SWITCHYARD_KEY_CACHE_SIZE', schema: count, default: 100_000, description: 'Most keys that one ingress remembers.' }),
  leaseAcquireTimeoutMs: field({
    env: 'SWITCHYARD_LEASE_ACQUIRE_TIMEOUT_MS',
    schema: duration,
    default: 4_000,
    description: 'Longest wait for a lease from billing.',
  }),
  leaseMaxWaiters: field({
    env: 'SWITCHYARD_LEASE_MAX_WAITERS',
    schema: count,
    default: 4_096,
    description: 'Most requests that may wait for a lease at once; more get 503.',
  }),
  defaultOutputTokens: field({
    env: 'SWITCHYARD_DEFAULT_OUTPUT_TOKENS',
    schema: count,
    default: 16_384,
    description: 'Output cap in tokens where neither the client nor the endpoint names one.',
  }),
  minOutputTokens: field({
    env: 'SWITCHYARD_MIN_OUTPUT_TOKENS',
    schema: count,
    default: 16,
    description: 'Near a limit, an answer that the client did not cap is started only when at least this many output tokens can be paid for.',
  }),
  earlyAbortsPerMinute: field({
    env: 'SWITCHYARD_EARLY_ABORTS_PER_MINUTE',
    schema: count,
    default: 20,
    description: 'Requests per minute that one key may abandon before the upstream answered; more get 429.',
  }),
  maxClockSkewMs: field({
    env: 'SWITCHYARD_MAX_CLOCK_SKEW_MS',
    schema: duration,
    default: 100,
    description: 'Largest difference to the clock of billing before an ingress is not ready.',
  }),
  attemptConnectMs: field({
    env: 'SWITCHYARD_ATTEMPT_CONNECT_MS',
    schema: duration,
    default: 2_000,
    description: 'Longest time for the connection to a provider.',
  }),
  attemptFirstTokenMs: field({
    env: 'SWITCHYARD_ATTEMPT_FIRST_TOKEN_MS',
    schema: duration,
    default: 30_000,
    description: 'Longest wait for the first token of a stream; less where an endpoint is known to be faster, more for very long prompts and with reasoning.',
  }),
  attemptFirstTokenLeastMs: field({
    env: 'SWITCHYARD_ATTEMPT_FIRST_TOKEN_LEAST_MS',
    schema: duration,
    default: 1_500,
    description: 'What the wait for the first token is never cut below, however fast an endpoint is known to be.',
  }),
  attemptBetweenChunksMs: field({
    env: 'SWITCHYARD_ATTEMPT_BETWEEN_CHUNKS_MS',
    schema: duration,
    default: 60_000,
    description: 'Longest silence of a provider in the middle of its answer.',
  }),
  attemptTotalMs: field({
    env: 'SWITCHYARD_ATTEMPT_TOTAL_MS',
    schema: duration,
    default: 600_000,
    description: 'Longest time a request may take, all its attempts together.',
  }),
  spoolMaxBytes: field({
    env: 'SWITCHYARD_SPOOL_MAX_BYTES',
    schema: size,
    default: 1024 * 1024 * 1024,
    description: 'Bound of the ingress spool in bytes; when it is full new paid requests get 503.',
  }),
  spoolDrainMs: field({
    env: 'SWITCHYARD_SPOOL_DRAIN_MS',
    schema: duration,
    default: 10_000,
    description: 'How long a stopping ingress tries to publish what is left in its spool.',
  }),
  drainTimeoutMs: field({
    env: 'SWITCHYARD_DRAIN_TIMEOUT_MS',
    schema: duration,
    default: 630_000,
    description: 'Longest time a stopping ingress waits for running requests; longer than the longest attempt.',
  }),
});

/** As browsers spell it: in lower case, without a path, without the usual port. */
function isOrigin(text: string): boolean {
  if (text === '*') return true;
  const origin = URL.canParse(text) ? new URL(text).origin : undefined;
  return origin === text || (origin === 'null' && APP_ORIGIN.test(text));
}

/** Pages of apps and browser extensions have schemes of their own, which the standard gives no origin: `tauri://localhost`, `chrome-extension://…`. */
const APP_ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/;

export type IngressConfig = ConfigOf<typeof ingressConfig>;
