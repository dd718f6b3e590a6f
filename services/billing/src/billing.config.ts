import { defineConfig, durationMs, field, integer, intervalMs, type ConfigOf, type ConfigProblem } from '@switchyard/config';
import { usdToPico } from '@switchyard/core';
import { z } from 'zod';

const optionalCount = (): z.ZodType<number | undefined> => integer({ min: 1 }).optional();

const usdAmount = (): z.ZodType<bigint> =>
  z
    .string()
    .transform((text, context) => {
      try {
        return usdToPico(text);
      } catch {
        context.addIssue('must be an amount in USD such as 10 or 0.50');
        return z.NEVER;
      }
    })
    .describe('USD');

export const billingConfig = defineConfig({
  leaseReserveMs: field({
    env: 'SWITCHYARD_LEASE_RESERVE_MS',
    schema: durationMs({ min: 1_000 }),
    default: 60_000,
    description: 'How long an ingress may make new reservations from a lease, counted from when it sent the call; at least a second, for the call to end in.',
  }),
  leaseSettleMarginMs: field({
    env: 'SWITCHYARD_LEASE_SETTLE_MARGIN_MS',
    schema: durationMs(),
    default: 600_000,
    description: 'How much longer a reservation may run and be charged: at least the total deadline of a generation.',
  }),
  leaseAbandonAfterMs: field({
    env: 'SWITCHYARD_LEASE_ABANDON_AFTER_MS',
    schema: durationMs(),
    default: 1_800_000,
    description:
      'Age at which what a lease still holds returns although its holder never accounted for it. Must exceed reserve time and settle margin together.',
  }),
  recallWaitMs: field({
    env: 'SWITCHYARD_LEASE_RECALL_WAIT_MS',
    schema: durationMs(),
    default: 1_000,
    description: 'Longest wait for amounts recalled from other ingresses before a reservation is refused.',
  }),
  maxRecallWaits: field({
    env: 'SWITCHYARD_LEASE_MAX_RECALL_WAITS',
    schema: integer({ min: 1, max: 100_000 }),
    default: 1_000,
    description: 'Calls that may wait for recalled amounts at a time; further ones are refused at once.',
  }),
  holderLiveMs: field({
    env: 'SWITCHYARD_LEASE_HOLDER_LIVE_MS',
    schema: durationMs(),
    default: 3_000,
    description: 'An ingress heard of within this time counts as live: grants are shared among live ones, and only they are waited for.',
  }),
  heartbeatMs: field({
    env: 'SWITCHYARD_BILLING_HEARTBEAT_MS',
    schema: durationMs({ min: 10, max: 1_000 }),
    default: 500,
    description: 'Interval of heartbeats on the streams of key changes and recalls, 10 ms to one second: an ingress takes two seconds of silence for death.',
  }),
  accountRequestsPerMinute: field({
    env: 'SWITCHYARD_ACCOUNT_REQUESTS_PER_MINUTE',
    schema: optionalCount(),
    description: 'Requests per minute of an account that has no limit of its own. Unset: no limit.',
  }),
  accountTokensPerMinute: field({
    env: 'SWITCHYARD_ACCOUNT_TOKENS_PER_MINUTE',
    schema: optionalCount(),
    description: 'Tokens per minute of an account that has no limit of its own. Unset: no limit.',
  }),
  freeRequestsPerMinute: field({
    env: 'SWITCHYARD_FREE_REQUESTS_PER_MINUTE',
    schema: integer({ min: 0 }),
    default: 20,
    description: 'Requests per minute to free models, per account.',
  }),
  freeRequestsPerDay: field({
    env: 'SWITCHYARD_FREE_REQUESTS_PER_DAY',
    schema: integer({ min: 0 }),
    default: 50,
    description: 'Requests per UTC day to free models, for accounts that bought less credit than the threshold.',
  }),
  freeRequestsPerDayPurchased: field({
    env: 'SWITCHYARD_FREE_REQUESTS_PER_DAY_PURCHASED',
    schema: integer({ min: 0 }),
    default: 1_000,
    description: 'Requests per UTC day to free models, for accounts that bought at least the threshold.',
  }),
  purchaseThresholdPico: field({
    env: 'SWITCHYARD_FREE_PURCHASE_THRESHOLD_USD',
    schema: usdAmount(),
    default: usdToPico('10'),
    defaultText: '10',
    description: 'Credit ever bought, in USD, from which on the larger quota of free requests holds. Promotional credit does not count.',
  }),
  consumerBatchSize: field({
    env: 'SWITCHYARD_BILLING_BATCH_SIZE',
    schema: integer({ min: 1, max: 5_000 }),
    default: 1_000,
    description: 'Most usage events posted in one transaction.',
  }),
  ledgerWatchMs: field({
    env: 'SWITCHYARD_LEDGER_WATCH_MS',
    schema: intervalMs(),
    default: 60_000,
    description: 'How often billing compares the newest records of the ledger and all balances with each other, for its metrics.',
  }),
});

export type BillingConfig = ConfigOf<typeof billingConfig>;

/** What a lease still holds must not return while its reservations may be charged: the limit could be passed. */
export function billingProblems({ leaseReserveMs, leaseSettleMarginMs, leaseAbandonAfterMs }: BillingConfig): ConfigProblem[] {
  const settleMs = leaseReserveMs + leaseSettleMarginMs;
  if (leaseAbandonAfterMs > settleMs) return [];
  return [{ env: 'SWITCHYARD_LEASE_ABANDON_AFTER_MS', message: `must be more than ${settleMs}, the reserve time and the settle margin together` }];
}
