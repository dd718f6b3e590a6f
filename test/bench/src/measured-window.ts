import type { Load } from './load-generator.js';
import { cpuSeconds, residentMib } from './pinned-process.js';
import type { SetUp, Upstream } from './set-up.js';

/** What happened in one stretch of time under load. CPU is in microseconds a request or a delta, all processes together. */
export interface Window {
  readonly seconds: number;
  readonly requests: number;
  readonly failed: number;
  readonly deltas: number;
  readonly requestsPerSecond: number;
  /** Milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly firstDeltaP50Ms: number;
  readonly firstDeltaP99Ms: number;
  readonly longestGapMs: number;
  /** Of the set-up's own processes. */
  readonly cpuMicros: number;
  /** By name, of what it stores in. */
  readonly storeCpuMicros: Readonly<Record<string, number>>;
  readonly upstreamCpuMicros: number;
  readonly generatorCpuMicros: number;
  /** Share of its core that the set-up used, and that everything on the other core did. */
  readonly gatewayCoreShare: number;
  readonly loadCoreShare: number;
  readonly residentMib: number;
}

const RESIDENT_INTERVAL_MS = 500;

/** Watches a running load for so long. CPU is counted per delta where there are deltas. */
export async function watch(load: Load, setUp: SetUp, upstream: Upstream, seconds: number): Promise<Window> {
  let mostMib = 0;
  const ticker = setInterval(() => (mostMib = Math.max(mostMib, residentMib(setUp.gatewayPids))), RESIDENT_INTERVAL_MS);
  load.reset();
  const before = usage(setUp, upstream);
  await new Promise((done) => setTimeout(done, seconds * 1_000));
  const after = usage(setUp, upstream);
  clearInterval(ticker);
  return windowOf(load, before, after, mostMib);
}

interface Usage {
  readonly atMs: number;
  readonly gateway: number;
  readonly stores: Readonly<Record<string, number>>;
  readonly upstream: number;
  readonly generator: number;
}

/** Seconds of CPU so far. */
function usage(setUp: SetUp, upstream: Upstream): Usage {
  return {
    atMs: performance.now(),
    gateway: cpuSeconds(setUp.gatewayPids),
    stores: mapValues(setUp.storePids(), (pids) => cpuSeconds(pids)),
    upstream: cpuSeconds([upstream.process.pid]),
    generator: cpuSeconds([process.pid]),
  };
}

function windowOf(load: Load, before: Usage, after: Usage, residentMibMost: number): Window {
  const { counters } = load;
  const seconds = (after.atMs - before.atMs) / 1_000;
  const units = counters.deltas || counters.answered;
  const perUnit = (cpu: number) => (cpu * 1e6) / units;
  const stores = mapValues(after.stores, (cpu, name) => cpu - (before.stores[name] ?? Number.NaN));
  const others = Object.values(stores).reduce((sum, cpu) => sum + cpu, 0) + (after.upstream - before.upstream) + (after.generator - before.generator);
  return {
    seconds,
    requests: counters.answered,
    failed: counters.failed,
    deltas: counters.deltas,
    requestsPerSecond: counters.answered / seconds,
    p50Ms: counters.latency.percentileMs(0.5),
    p99Ms: counters.latency.percentileMs(0.99),
    firstDeltaP50Ms: counters.firstDelta.percentileMs(0.5),
    firstDeltaP99Ms: counters.firstDelta.percentileMs(0.99),
    longestGapMs: counters.gap.maxMs,
    cpuMicros: perUnit(after.gateway - before.gateway),
    storeCpuMicros: mapValues(stores, perUnit),
    upstreamCpuMicros: perUnit(after.upstream - before.upstream),
    generatorCpuMicros: perUnit(after.generator - before.generator),
    gatewayCoreShare: (after.gateway - before.gateway) / seconds,
    loadCoreShare: others / seconds,
    residentMib: residentMibMost,
  };
}

function mapValues<From, To>(record: Readonly<Record<string, From>>, change: (value: From, name: string) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}
