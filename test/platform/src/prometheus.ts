import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { eventually, freePort } from '@switchyard/testing';
import { stringify } from 'yaml';

const ROOT = resolve(import.meta.dirname, '../../..');
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/** A real Prometheus and its tool. The test command leaves suites that need it out, loudly, where there is none. @throws Error where there is none */
export function prometheusPrograms(): PrometheusPrograms {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'tools/prometheus/get-prometheus.mjs')], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout) as PrometheusPrograms;
}

export interface PrometheusOptions {
  readonly programs: PrometheusPrograms;
  /** What is scraped, every second: origins by target. */
  readonly origins: Readonly<Record<string, readonly string[]>>;
  /** Texts of rule files. */
  readonly rules: readonly string[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface FiringAlert {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: string;
}

export interface RunningPrometheus {
  /** An instant query of a vector or a scalar. */
  query(expression: string): Promise<Sample[]>;
  /** Trace ids of the exemplars that a query's series have of late. */
  exemplarTraceIds(expression: string): Promise<string[]>;
  /** Pending and firing ones. */
  alerts(): Promise<FiringAlert[]>;
  /** Why targets could not be read, by address. */
  scrapeErrors(): Promise<Readonly<Record<string, string>>>;
  stop(): Promise<void>;
}

/** Prometheus as an operator runs it, in a hurry: it scrapes and evaluates every second. */
export async function startPrometheus({ programs, origins, rules }: PrometheusOptions): Promise<RunningPrometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-prometheus-'));
  const ruleFiles = rules.map((text, index) => {
    const file = join(folder, `rules-${index}.yaml`);
    writeFileSync(file, text);
    return file;
  });
  const configFile = join(folder, 'prometheus.yaml');
  writeFileSync(configFile, stringify(configuration(origins, ruleFiles)));
  const port = await freePort();
  const child = spawn(
    programs.prometheus,
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--enable-feature=exemplar-storage',
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let problems = '';
  child.stderr.on('data', (piece: Buffer) => (problems = (problems + piece.toString()).slice(-10_000)));
  const origin = `http://127.0.0.1:${port}`;
  try {
    await eventually(
      async () => {
        if (child.exitCode !== null) throw new Error('Prometheus has ended.');
        if (!(await fetch(`${origin}/-/ready`)).ok) throw new Error('Prometheus is not ready.');
      },
      { timeoutMs: START_TIMEOUT_MS, intervalMs: 100 },
    );
  } catch (error) {
    await end(child);
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`Prometheus did not start: ${problems}`, { cause: error });
  }
  return {
    query: (expression) => query(origin, expression),
    exemplarTraceIds: (expression) => exemplarTraceIds(origin, expression),
    alerts: () => alerts(origin),
    scrapeErrors: () => scrapeErrors(origin),
    stop: async () => {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configuration(origins: PrometheusOptions['origins'], ruleFiles: readonly string[]): object {
  return {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ruleFiles,
    storage: { exemplars: { max_exemplars: 10_000 } },
    scrape_configs: [
      {
        job_name: 'switchyard',
        static_configs: Object.entries(origins).map(([target, addresses]) => ({
          targets: addresses.map((address) => new URL(address).host),
          labels: { target },
        })),
      },
    ],
  };
}

async function read<Data>(origin: string, path: string, parameters: Readonly<Record<string, string>> = {}): Promise<Data> {
  const response = await fetch(`${origin}${path}?${new URLSearchParams(parameters).toString()}`);
  const body = (await response.json()) as { readonly status: string; readonly data: Data; readonly error?: string };
  if (body.status !== 'success') throw new Error(`Prometheus: ${body.error}`);
  return body.data;
}

type Point = readonly [number, string];

async function query(origin: string, expression: string): Promise<Sample[]> {
  const data = await read<{ resultType: string; result: unknown }>(origin, '/api/v1/query', { query: expression });
  if (data.resultType === 'scalar') return [{ labels: {}, value: Number((data.result as Point)[1]) }];
  const result = data.result as readonly { readonly metric: Record<string, string>; readonly value: Point }[];
  return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
}

async function exemplarTraceIds(origin: string, expression: string): Promise<string[]> {
  const nowSeconds = Date.now() / 1_000;
  const period = { start: String(nowSeconds - 600), end: String(nowSeconds + 1) };
  const series = await read<readonly { readonly exemplars: readonly { readonly labels: Record<string, string> }[] }[]>(origin, '/api/v1/query_exemplars', {
    query: expression,
    ...period,
  });
  return [...new Set(series.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels['trace_id'] ?? '')))];
}

async function alerts(origin: string): Promise<FiringAlert[]> {
  const data = await read<{ readonly alerts: readonly { readonly labels: Record<string, string>; readonly state: string }[] }>(origin, '/api/v1/alerts');
  return data.alerts.map(({ labels, state }) => ({ name: labels['alertname'] ?? '', labels, state }));
}

async function scrapeErrors(origin: string): Promise<Record<string, string>> {
  const data = await read<{ readonly activeTargets: readonly { readonly scrapeUrl: string; readonly lastError: string }[] }>(origin, '/api/v1/targets');
  return Object.fromEntries(data.activeTargets.filter(({ lastError }) => lastError !== '').map(({ scrapeUrl, lastError }) => [scrapeUrl, lastError]));
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      done();
    });
    child.kill('SIGTERM');
  });
}
