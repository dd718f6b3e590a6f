import { billing } from '@switchyard/proto';
import { endpointById, type CircuitBreakers, type RoutingTable } from '@switchyard/routing';
import { picoToUsdNumber, type Clock } from '@switchyard/core';
import type { Gauge, MetricFamily, MetricOptions, Metrics } from '@switchyard/telemetry';
import {
  BILLING_LIVE,
  BREAKERS,
  CLOCK_SKEW,
  INFLIGHT_REQUESTS,
  KEYS_STALE,
  LEASE_AVAILABLE,
  LEASE_CALLS,
  LEASE_RESERVED,
  LEASE_WAITERS,
  LEASES_HELD,
  OPEN_STREAMS,
  TABLE_AGE,
} from './ingress-metrics.js';
import type { WalletHolding } from './wallet/held-scopes.js';
import { MONEY_SCOPES } from './wallet/reservation.js';

/** What is asked of the parts of an ingress at every scrape, and at no other time. */
export interface IngressState {
  readonly clock: Clock;
  readonly inference: { readonly running: number };
  readonly keepAlive: { readonly size: number };
  readonly keys: { readonly isLive: boolean };
  readonly holder: { readonly isLive: boolean; readonly clockSkewMs: number };
  readonly feed: { readonly hasTable: boolean; ageMs(): number | undefined; table(): Pick<RoutingTable, 'endpoints' | 'models'> };
  readonly breakers: Pick<CircuitBreakers, 'states'>;
  readonly wallet: { holdings(): readonly WalletHolding[]; readonly waiting: number };
  readonly leaseCalls: { readonly acquireCount: number };
}

const SCOPE_LABELS: Readonly<Record<billing.LeaseScopeKind, string>> = {
  [billing.LeaseScopeKind.UNSPECIFIED]: 'unknown',
  [billing.LeaseScopeKind.ACCOUNT_CREDIT]: 'account_credit',
  [billing.LeaseScopeKind.KEY_LIMIT]: 'key_limit',
  [billing.LeaseScopeKind.ACCOUNT_REQUESTS_PER_MINUTE]: 'account_requests_per_minute',
  [billing.LeaseScopeKind.KEY_REQUESTS_PER_MINUTE]: 'key_requests_per_minute',
  [billing.LeaseScopeKind.ACCOUNT_TOKENS_PER_MINUTE]: 'account_tokens_per_minute',
  [billing.LeaseScopeKind.KEY_TOKENS_PER_MINUTE]: 'key_tokens_per_minute',
  [billing.LeaseScopeKind.FREE_REQUESTS_PER_MINUTE]: 'free_requests_per_minute',
  [billing.LeaseScopeKind.FREE_REQUESTS_PER_DAY]: 'free_requests_per_day',
  [billing.LeaseScopeKind.UNRECOGNIZED]: 'unknown',
};

export function registerIngressState(metrics: Metrics, state: IngressState): void {
  const gauge = (options: MetricOptions): Gauge => metrics.gauge(options).labels();
  const [inflight, streams, stale, live, skew] = [INFLIGHT_REQUESTS, OPEN_STREAMS, KEYS_STALE, BILLING_LIVE, CLOCK_SKEW].map(gauge) as [
    Gauge,
    Gauge,
    Gauge,
    Gauge,
    Gauge,
  ];
  const tableAge = gauge(TABLE_AGE);
  const waiters = gauge(LEASE_WAITERS);
  const calls = metrics.counter(LEASE_CALLS).labels();
  const showLeases = leaseGauges(metrics);
  const showBreakers = breakerGauges(metrics);
  metrics.onScrape(() => {
    inflight.set(state.inference.running);
    streams.set(state.keepAlive.size);
    stale.set(state.keys.isLive ? 0 : 1);
    live.set(state.holder.isLive ? 1 : 0);
    skew.set(state.holder.clockSkewMs / 1_000);
    const ageMs = state.feed.ageMs();
    tableAge.set(ageMs === undefined ? -1 : ageMs / 1_000);
    waiters.set(state.wallet.waiting);
    calls.raiseTo(state.leaseCalls.acquireCount);
    showLeases(state.wallet.holdings());
    showBreakers(state);
  });
}

function leaseGauges(metrics: Metrics): (holdings: readonly WalletHolding[]) => void {
  const held = new ResettableGauges(metrics.gauge(LEASES_HELD));
  const available = new ResettableGauges(metrics.gauge(LEASE_AVAILABLE));
  const reserved = new ResettableGauges(metrics.gauge(LEASE_RESERVED));
  for (const kind of MONEY_SCOPES) for (const gauges of [held, available, reserved]) gauges.add({ scope: SCOPE_LABELS[kind] }, 0);
  return (holdings) => {
    for (const gauges of [held, available, reserved]) gauges.reset();
    for (const { kind, leaseCount, availableAmount, reservedAmount } of holdings) {
      const labels = { scope: SCOPE_LABELS[kind] };
      held.add(labels, leaseCount);
      if (!MONEY_SCOPES.has(kind)) continue;
      available.add(labels, picoToUsdNumber(availableAmount));
      reserved.add(labels, picoToUsdNumber(reservedAmount));
    }
  };
}

function breakerGauges(metrics: Metrics): (state: IngressState) => void {
  const breakers = new ResettableGauges(metrics.gauge(BREAKERS));
  return ({ breakers: known, feed, clock }) => {
    breakers.reset();
    if (!feed.hasTable) return;
    const table = feed.table();
    for (const [endpointId, { phase }] of Object.entries(known.states(clock.monotonicMs()))) {
      const provider = endpointById(table, endpointId)?.providerSlug;
      if (provider === undefined) continue;
      // A provider that had trouble once keeps both series, so that a graph shows the end of it.
      for (const each of ['open', 'half_open']) breakers.add({ provider, phase: each }, each === phase ? 1 : 0);
    }
  };
}

/** Gauges by labels of which some have nothing to say at a scrape: those are zero then, and do not keep their last value. */
class ResettableGauges {
  private readonly gauges = new Map<string, Gauge>();

  constructor(private readonly family: MetricFamily<Gauge>) {}

  reset(): void {
    for (const gauge of this.gauges.values()) gauge.set(0);
  }

  add(labels: Readonly<Record<string, string>>, value: number): void {
    const key = Object.values(labels).join(' ');
    let gauge = this.gauges.get(key);
    if (gauge === undefined) {
      gauge = this.family.labels(labels);
      this.gauges.set(key, gauge);
    }
    gauge.add(value);
  }
}
