import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { counterDefinition, gaugeDefinition, type MetricDefinition } from './metric-definition.js';
import type { Metrics } from './metrics.js';

const CPU = counterDefinition({ name: 'process_cpu_seconds_total', help: 'User and system CPU time spent.', unit: 'seconds' });
const START = gaugeDefinition({ name: 'process_start_time_seconds', help: 'When the process started, in unix time.', unit: 'seconds' });
const MEMORY = gaugeDefinition({ name: 'process_resident_memory_bytes', help: 'Resident memory.', unit: 'bytes' });
const HEAP = gaugeDefinition({ name: 'nodejs_heap_size_used_bytes', help: 'Used part of the heap.', unit: 'bytes' });
const EXTERNAL = gaugeDefinition({ name: 'nodejs_external_memory_bytes', help: 'Memory outside of the heap: buffers.', unit: 'bytes' });
const DELAY_99 = gaugeDefinition({
  name: 'nodejs_eventloop_lag_p99_seconds',
  help: '99th percentile of the event-loop delay since the last scrape.',
  unit: 'seconds',
});
const DELAY_MAX = gaugeDefinition({ name: 'nodejs_eventloop_lag_max_seconds', help: 'Longest event-loop delay since the last scrape.', unit: 'seconds' });
const UTILIZATION = gaugeDefinition({
  name: 'nodejs_eventloop_utilization_ratio',
  help: 'Part of the time since the last scrape that the event loop was busy.',
  unit: 'ratio',
});

export const PROCESS_METRICS: readonly MetricDefinition[] = [CPU, START, MEMORY, HEAP, EXTERNAL, DELAY_99, DELAY_MAX, UTILIZATION];

const SAMPLE_MS = 20;

/** CPU, memory and event-loop delay of this process, under the names Prometheus' own clients use. */
export function registerProcessMetrics(metrics: Metrics): { close(): void } {
  const cpu = metrics.counter(CPU).labels();
  metrics
    .gauge(START)
    .labels()
    .set(Date.now() / 1_000 - process.uptime());
  const memory = metrics.gauge(MEMORY).labels();
  const heap = metrics.gauge(HEAP).labels();
  const external = metrics.gauge(EXTERNAL).labels();
  const delay99 = metrics.gauge(DELAY_99).labels();
  const delayMax = metrics.gauge(DELAY_MAX).labels();
  const utilization = metrics.gauge(UTILIZATION).labels();
  const histogram = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  histogram.enable();
  let lastUtilization = performance.eventLoopUtilization();
  metrics.onScrape(() => {
    const usage = process.cpuUsage();
    cpu.raiseTo((usage.user + usage.system) / 1e6);
    const used = process.memoryUsage();
    memory.set(used.rss);
    heap.set(used.heapUsed);
    external.set(used.external);
    // Without a sample the percentile is not a number, and the maximum is zero.
    delay99.set(histogram.count === 0 ? 0 : lateness(histogram.percentile(99)));
    delayMax.set(lateness(histogram.max));
    histogram.reset();
    const current = performance.eventLoopUtilization();
    utilization.set(performance.eventLoopUtilization(current, lastUtilization).utilization);
    lastUtilization = current;
  });
  return { close: () => void histogram.disable() };
}

/** Seconds. A sample is the time between two timers, the interval between them included. */
function lateness(sampleNanoseconds: number): number {
  return Math.max(0, sampleNanoseconds / 1e9 - SAMPLE_MS / 1_000);
}
