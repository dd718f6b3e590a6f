import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  hurried,
  MODELS,
  panels,
  prometheusPrograms,
  ruleFiles,
  rules,
  startFixture,
  startLoad,
  startPrometheus,
  type Fixture,
  type RunningPrometheus,
  type SteadyLoad,
} from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

const WITHIN = { timeoutMs: 90_000, intervalMs: 1_000 };
const TRACE_ID = '5bf92f3577b34da6a3ce929d0e0e4736';
const REFERENCE = readFileSync(resolve(import.meta.dirname, '../../docs/reference/metrics.md'), 'utf8');

/** What Grafana puts in the place of its variables. */
function asked(expression: string): string {
  return expression.replaceAll('$__rate_interval', '10s').replaceAll(/\$(provider|model)\b/g, '.*');
}

/** A collector that takes all spans and keeps none, so that traces are kept and lead somewhere. */
async function startCollector(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** The quick start's services speak in plain text. */
const NOT_HERE = ['switchyard_tls_certificate_expiry_seconds', 'switchyard_tls_certificate_start_seconds'];

describe('a platform under load, as Prometheus sees it', () => {
  let fixture: Fixture;
  let collector: Server;
  let prometheus: RunningPrometheus;
  let load: SteadyLoad;

  beforeAll(async () => {
    collector = await startCollector();
    fixture = await startFixture({
      shape: 'all',
      environment: {
        SWITCHYARD_LEDGER_WATCH_MS: '1000',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
        OTEL_BSP_SCHEDULE_DELAY: '500',
      },
    });
    // The first choice fails now and then, so that requests fall back.
    fixture.upstreams['alpha']!.faults.add({ kind: 'server_error', share: 0.2, seed: 1, delayMs: 0, afterWords: 0 });
    const { baseUrl, apiKey } = fixture.platform;
    load = startLoad(30, (index) => {
      const stream = index % 3 !== 0;
      if (index % 20 === 7) return { baseUrl, key: apiKey, path: '/embeddings', body: { model: MODELS.embedder, input: `text ${index}` } };
      if (index % 20 === 13) return { baseUrl, key: apiKey, path: '/chat/completions', body: { model: 'nobody/nothing', messages: [] } };
      const model = [MODELS.writer, MODELS.thinker, MODELS.seer][index % 3 === 0 ? 0 : index % 2]!;
      const body = { model, stream, max_tokens: 50, messages: [{ role: 'user', content: `say ${5 + (index % 10)} words` }] };
      return { baseUrl, key: apiKey, path: '/chat/completions', body, headers: { traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` } };
    });
    const [origin] = fixture.platform.healthUrls!['ingress']!;
    const hurriedRules = [...ruleFiles().values()].map((text) => hurried(text, { factor: 60, minWindowMs: 5_000 }));
    prometheus = await startPrometheus({ programs: prometheusPrograms(), origins: { all: [origin!] }, rules: hurriedRules });
  }, 300_000);
  afterAll(async () => {
    await load.stop();
    await prometheus.stop();
    await fixture.stop();
    collector.closeAllConnections();
    collector.close();
  }, 120_000);

  /** Which of the expressions have no figure. */
  async function withoutFigure(expressions: readonly { readonly place: string; readonly expression: string }[]): Promise<string[]> {
    const missing: string[] = [];
    for (const { place, expression } of expressions) {
      const samples = await prometheus.query(asked(expression));
      if (!samples.some(({ value }) => Number.isFinite(value))) missing.push(`${place}: ${expression}`);
    }
    return missing;
  }

  it('every query of every panel has figures', async () => {
    const expressions = panels().flatMap(({ dashboard, title, expressions: all }) =>
      all.map((expression) => ({ place: `${dashboard}: ${title}`, expression })),
    );
    expect(expressions.length).toBeGreaterThan(70);
    await eventually(async () => expect(await withoutFigure(expressions)).toEqual([]), WITHIN);
    expect(await prometheus.scrapeErrors()).toEqual({});
  }, 120_000);

  it('every rule that is recorded has figures', async () => {
    const expressions = rules().flatMap((rule) => ('record' in rule ? [{ place: rule.record, expression: rule.record }] : []));
    await eventually(async () => expect(await withoutFigure(expressions)).toEqual([]), WITHIN);
  }, 120_000);

  it('histograms lead to the traces of their requests', async () => {
    const histograms = [
      'switchyard_first_token_seconds_bucket',
      'gen_ai_client_operation_duration_seconds_bucket',
      'gen_ai_server_time_to_first_token_seconds_bucket',
    ];
    for (const histogram of histograms) await eventually(async () => expect(await prometheus.exemplarTraceIds(histogram)).toContain(TRACE_ID), WITHIN);
  }, 120_000);

  it('shows what the reference says, no metric less and none more, and nothing of requests', async () => {
    const [origin] = fixture.platform.healthUrls!['ingress']!;
    const text = await (await fetch(`${origin}/metrics`)).text();
    const shown = new Map([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, kind]) => [name!, kind!]));
    const documented = new Map([...REFERENCE.matchAll(/^\| `(\w+)` +\| (counter|gauge|histogram) /gm)].map(([, name, kind]) => [name!, kind!]));
    for (const name of NOT_HERE) expect(documented.delete(name)).toBe(true);
    expect([...shown].sort()).toEqual([...documented].sort());
    for (const secret of [fixture.platform.apiKey, 'nobody', TRACE_ID]) expect(text).not.toContain(secret);
  });
});
