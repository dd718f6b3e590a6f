import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from './metrics.js';

/** CPU, memory and event-loop delay of this process, under the names Prometheus' own clients use. */
export function registerProcessMetrics(metrics: Metrics): { close(): void } {
  const cpu = metrics.gauge({ name: 'process_cpu_seconds_total', help: 'User and system CPU time spent, in seconds.' }).labels();
  const memory = metrics.gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory, in bytes.' }).labels();
  const heap = metrics.gauge({ name: 'nodejs_heap_size_used_bytes', help: 'Used heap, in bytes.' }).labels();
  const delay = metrics
    .gauge({ name: 'nodejs_eventloop_lag_p99_seconds', help: '99th percentile of the event-loop delay since the last scrape, in seconds.' })
    .labels();
  const histogram = monitorEventLoopDelay({ resolution: 20 });
  histogram.enable();
  metrics.onScrape(() => {
    const usage = process.cpuUsage();
    cpu.set((usage.user + usage.system) / 1e6);
    memory.set(process.memoryUsage.rss());
    heap.set(process.memoryUsage().heapUsed);
    delay.set(Number.isNaN(histogram.percentile(99)) ? 0 : histogram.percentile(99) / 1e9);
    histogram.reset();
  });
  return { close: () => void histogram.disable() };
}
