import { describe, expect, it } from '@jest/globals';
import { exemplarOf, exposeMetrics, GEN_AI_CLIENT_DURATION, PrometheusMetrics, registerProcessMetrics, SeriesCache, BoundedTexts } from './index.js';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

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
    for (const value of [0.05, 0.5, 0.7, 1, 3]) latency.observe(value);
    expect(metrics.render()).toContain(
      'latency_seconds_bucket{le="0.1"} 1\nlatency_seconds_bucket{le="1.0"} 4\nlatency_seconds_bucket{le="+Inf"} 5\nlatency_seconds_sum 5.25\nlatency_seconds_count 5\n',
    );
  });

  it('gives the same metric for the same name and refuses another kind', () => {
    const metrics = new PrometheusMetrics();
    metrics.counter({ name: 'same_total', help: 'x' }).labels().increment();
    metrics.counter({ name: 'same_total', help: 'x' }).labels().increment();
    expect(metrics.render()).toContain('same_total 2\n');
    expect(() => metrics.gauge({ name: 'same_total', help: 'x' })).toThrow('is a counter already');
  });

  it('lets a counter follow what somebody else counts, and never fall', () => {
    const metrics = new PrometheusMetrics();
    const counter = metrics.counter({ name: 'elsewhere_total', help: 'x' }).labels();
    counter.raiseTo(7);
    counter.raiseTo(3);
    expect(metrics.render()).toContain('elsewhere_total 7\n');
  });

  it('bounds the number of series of a metric', () => {
    const metrics = new PrometheusMetrics();
    const family = metrics.counter({ name: 'many_total', help: 'x', labelNames: ['id'], maxSeries: 50 });
    for (let id = 0; id < 60; id++) family.labels({ id: String(id) }).increment();
    const lines = metrics
      .render()
      .split('\n')
      .filter((line) => line.startsWith('many_total{'));
    expect(lines.length).toBe(51);
    expect(lines).toContain('many_total{id="other"} 10');
  });

  it('forgets a series that is removed', () => {
    const metrics = new PrometheusMetrics();
    const family = metrics.gauge({ name: 'key_usd', help: 'x', labelNames: ['key'] });
    for (const key of ['a', 'b']) family.labels({ key }).set(1);
    family.remove({ key: 'a' });
    expect(metrics.render()).not.toContain('key="a"');
    expect(metrics.render()).toContain('key_usd{key="b"} 1');
  });

  it('keeps labels of few values true beyond the bound: what went well has no error there', () => {
    const metrics = new PrometheusMetrics();
    const durations = metrics.histogram(GEN_AI_CLIENT_DURATION);
    const observe = (model: string, error_type: string) =>
      durations.labels({ gen_ai_operation_name: 'chat', gen_ai_provider_name: 'acme', gen_ai_request_model: model, error_type }).observe(1);
    for (let model = 0; model < 310; model++) observe(`acme/model-${model}`, '');
    observe('acme/last', 'timeout');
    const counted = [...metrics.render().matchAll(/_count\{.*gen_ai_provider_name="(\w+)",gen_ai_request_model="other",error_type="(\w*)"\} (\d+)/g)];
    expect(counted.map(([, ...found]) => found)).toEqual([
      ['other', '', '10'],
      ['other', 'timeout', '1'],
    ]);
    expect(metrics.render()).not.toContain('error_type="other"');
  });

  it('updates gauges when it is scraped', () => {
    const metrics = new PrometheusMetrics();
    const registration = registerProcessMetrics(metrics);
    const text = metrics.render();
    registration.close();
    expect(Number(/process_resident_memory_bytes (\d+)/.exec(text)?.[1])).toBeGreaterThan(1_000_000);
    expect(Number(/^process_start_time_seconds (\S+)/m.exec(text)?.[1])).toBeGreaterThan(1_700_000_000);
    expect(text).toContain('# TYPE process_cpu_seconds_total counter\n');
  });
});

describe('OpenMetrics', () => {
  it('names families as the format wants them, and ends', () => {
    const metrics = new PrometheusMetrics();
    metrics.counter({ name: 'requests_total', help: 'Say "hello".' }).labels().increment();
    metrics.gauge({ name: 'spool_bytes', help: 'Bytes.', unit: 'bytes' }).labels().set(4);
    expect(metrics.render('openmetrics')).toBe(
      '# HELP requests Say \\"hello\\".\n# TYPE requests counter\nrequests_total 1\n' +
        '# HELP spool_bytes Bytes.\n# TYPE spool_bytes gauge\n# UNIT spool_bytes bytes\nspool_bytes 4\n# EOF\n',
    );
  });

  it('leads from the bucket of a slow request to its trace', () => {
    const metrics = new PrometheusMetrics();
    const latency = metrics.histogram({ name: 'latency_seconds', help: 'x', buckets: [0.1, 1] }).labels();
    latency.observe(0.05);
    latency.observe(0.5, TRACE_ID);
    const lines = metrics.render('openmetrics').split('\n');
    expect(lines).toContain('latency_seconds_bucket{le="0.1"} 1');
    expect(lines.find((line) => line.startsWith('latency_seconds_bucket{le="1.0"}'))).toMatch(
      new RegExp(`^latency_seconds_bucket\\{le="1\\.0"\\} 2 # \\{trace_id="${TRACE_ID}"\\} 0\\.5 \\d{10}(\\.\\d+)?$`),
    );
    expect(metrics.render()).not.toContain(TRACE_ID);
  });

  it('takes the trace of a request that is sampled, and of no other', () => {
    const header = (flags: string) => `00-${TRACE_ID}-00f067aa0ba902b7-${flags}`;
    for (const flags of ['01', '03', '0b', '0f']) expect(exemplarOf(header(flags))).toBe(TRACE_ID);
    for (const flags of ['00', '02', '0a', '0e']) expect(exemplarOf(header(flags))).toBeUndefined();
    expect(exemplarOf('')).toBeUndefined();
    expect(exemplarOf('00-4bf92f')).toBeUndefined();
  });

  it('is spoken to whoever accepts it', async () => {
    const metrics = new PrometheusMetrics();
    metrics.gauge({ name: 'open', help: 'Open.' }).labels().set(1);
    const read = async (accept: string | undefined) => {
      const { contentType, pieces } = exposeMetrics(metrics, accept);
      let text = '';
      for await (const piece of pieces) text += piece;
      return { contentType, text };
    };
    const modern = await read('application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1');
    expect(modern.contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(modern.text).toBe(metrics.render('openmetrics'));
    for (const accept of [undefined, '*/*', 'text/plain']) {
      const plain = await read(accept);
      expect(plain.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
      expect(plain.text).toBe(metrics.render());
    }
  });
});

describe('series by text', () => {
  it('are made once, and share one beyond the bound', () => {
    const made: string[] = [];
    const cache = new SeriesCache((text) => (made.push(text), { text }), 2);
    expect(cache.of('a')).toBe(cache.of('a'));
    for (const text of ['b', 'c', 'd', 'a']) cache.of(text);
    expect(made).toEqual(['a', 'b', 'other']);
    expect(cache.of('c')).toBe(cache.of('d'));
  });

  it('labels beyond the bound are other', () => {
    const models = new BoundedTexts(2);
    expect(['a', 'b', 'c', 'a', 'c'].map((model) => models.of(model))).toEqual(['a', 'b', 'other', 'a', 'other']);
  });
});
