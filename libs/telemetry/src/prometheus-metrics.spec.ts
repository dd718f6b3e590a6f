import { describe, expect, it } from '@jest/globals';
import { PrometheusMetrics, registerProcessMetrics } from './index.js';

describe('PrometheusMetrics', () => {
  it('renders counters and gauges with escaped labels', () => {
    const metrics = new PrometheusMetrics();
    const requests = metrics.counter({ name: 'requests_total', help: 'Requests.', labelNames: ['route'] });
    requests.labels({ route: 'a"b' }).increment();
    requests.labels({ route: 'a"b' }).increment(2);
    metrics.gauge({ name: 'open', help: 'Open.' }).labels().set(-1.5);
    expect(metrics.render()).toBe(
      '# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{route="a\\"b"} 3\n# HELP open Open.\n# TYPE open gauge\nopen -1.5\n',
    );
  });

  it('renders histograms with cumulative buckets', () => {
    const metrics = new PrometheusMetrics();
    const latency = metrics.histogram({ name: 'latency_seconds', help: 'Latency.', buckets: [0.1, 1] }).labels();
    for (const value of [0.05, 0.5, 0.7, 3]) latency.observe(value);
    expect(metrics.render()).toContain(
      'latency_seconds_bucket{le="0.1"} 1\nlatency_seconds_bucket{le="1"} 3\nlatency_seconds_bucket{le="+Inf"} 4\nlatency_seconds_sum 4.25\nlatency_seconds_count 4\n',
    );
  });

  it('gives the same metric for the same name and refuses another kind', () => {
    const metrics = new PrometheusMetrics();
    metrics.counter({ name: 'same_total', help: 'x' }).labels().increment();
    metrics.counter({ name: 'same_total', help: 'x' }).labels().increment();
    expect(metrics.render()).toContain('same_total 2\n');
    expect(() => metrics.gauge({ name: 'same_total', help: 'x' })).toThrow('is a counter already');
  });

  it('bounds the number of series of a metric', () => {
    const metrics = new PrometheusMetrics();
    const family = metrics.counter({ name: 'many_total', help: 'x', labelNames: ['id'] });
    for (let id = 0; id < 6000; id++) family.labels({ id: String(id) }).increment();
    const lines = metrics
      .render()
      .split('\n')
      .filter((line) => line.startsWith('many_total{'));
    expect(lines.length).toBe(5001);
    expect(lines).toContain('many_total{id="other"} 1000');
  });

  it('updates gauges when it is scraped', () => {
    const metrics = new PrometheusMetrics();
    const registration = registerProcessMetrics(metrics);
    const memory = /process_resident_memory_bytes (\d+)/.exec(metrics.render());
    registration.close();
    expect(Number(memory?.[1])).toBeGreaterThan(1_000_000);
  });
});
