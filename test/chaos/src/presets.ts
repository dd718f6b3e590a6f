import type { Round } from './fault-plan.js';
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

/** Every kind of process once, and the links that matter most, two at a time. */
export const SHORT_ROUNDS: readonly Round[] = [
  {
    number: 1,
    faults: [
      { action: 'kill', kind: 'ingress', instance: 0, afterMs: 500 },
      { action: 'kill', kind: 'worker', instance: 0, afterMs: 800 },
    ],
  },
  {
    number: 2,
    faults: [
      { action: 'kill', kind: 'postgres', instance: 0, afterMs: 200 },
      { action: 'harm', link: 'ingress-billing', instance: 1, fault: { kind: 'half_open' }, afterMs: 0, forMs: 2_000 },
    ],
  },
  {
    number: 3,
    faults: [
      { action: 'kill', kind: 'kafka', instance: 0, afterMs: 200 },
      { action: 'hold', kind: 'billing', instance: 0, afterMs: 0, forMs: 3_000 },
    ],
  },
  {
    number: 4,
    faults: [
      { action: 'kill', kind: 'billing', instance: 1, afterMs: 100 },
      { action: 'kill', kind: 'router', instance: 0, afterMs: 200 },
      { action: 'hold', kind: 'ingress', instance: 1, afterMs: 0, forMs: 3_000 },
    ],
  },
  {
    number: 5,
    faults: [
      { action: 'kill', kind: 'analytics', instance: 0, afterMs: 100 },
      { action: 'stop', kind: 'ingress', instance: 2, afterMs: 300 },
      { action: 'harm', link: 'ingress-worker', instance: 0, fault: { kind: 'black_hole' }, afterMs: 0, forMs: 2_000 },
    ],
  },
];
