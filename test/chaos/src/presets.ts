import type { ChaosOptions } from './run-chaos.js';

type Preset = Pick<ChaosOptions, 'replicas' | 'deadlines' | 'shortMs' | 'longMs' | 'clientCount' | 'pauseMs'>;

const REPLICAS = { ingress: 3, worker: 2, router: 1, billing: 2, analytics: 2 };

/** A long hold outlasts every deadline: of an attempt, of a lease's reservations and settlements, of sessions, watches and consumers. */
export const LONG_RUN: Preset = {
  replicas: REPLICAS,
  deadlines: { attemptTotalMs: 12_000, leaseReserveMs: 6_000, leaseSettleMarginMs: 14_000, leaseAbandonAfterMs: 40_000 },
  shortMs: 6_000,
  longMs: 24_000,
  clientCount: 24,
  pauseMs: 150,
};

/** As part of all checks, on two cores. */
export const SHORT_RUN: Preset = {
  replicas: { ...REPLICAS, analytics: 1 },
  deadlines: { attemptTotalMs: 6_000, leaseReserveMs: 3_000, leaseSettleMarginMs: 7_000, leaseAbandonAfterMs: 12_000 },
  shortMs: 3_000,
  longMs: 3_000,
  clientCount: 12,
  pauseMs: 100,
};
