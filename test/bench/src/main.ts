import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { startPlatform, type Shape, type StartedPlatform } from '@switchyard/test-platform';
import { generateLoad, type LoadResult } from './load-generator.js';
import { canPin, cpuSeconds, descendants, GATEWAY_CORE, LOAD_CORE, pin, startPinned } from './pinned-process.js';

/**
 * `npm run bench`: a bare Node proxy, Switchyard in one process and Switchyard split, one after the other in one run, all
 * on one core, with billing and events on. Databases, brokers, the upstream and the load run on another core.
 * Options: `--seconds=N` (default 10) a row, `--no-split` where no Kafka can be had.
 */
const option = (name: string) => process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split('=')[1];
const SECONDS = Number(option('seconds') ?? 10);
const CONNECTIONS = 32;
const WARM_UP_MS = 4_000;
const MODEL = 'acme/writer';
const BODY = JSON.stringify({ model: MODEL, max_tokens: 200, messages: [{ role: 'user', content: 'Write one sentence about a fox and a dog.' }] });
const THREADS_WITH_OTHER_NAMES = /^(postgres|java|docker)/;

interface Row {
  readonly name: string;
  readonly load: LoadResult;
  readonly cpuMicrosPerRequest: number | undefined;
}

async function main(): Promise<void> {
  pin(process.pid, LOAD_CORE);
  const upstream = await startPinned(join(import.meta.dirname, 'static-upstream.js'), ['0'], LOAD_CORE);
  const upstreamUrl = `http://127.0.0.1:${upstream.firstLine}`;
  const rows: Row[] = [];
  try {
    rows.push(await benchBareProxy(upstreamUrl));
    rows.push(await benchPlatform('all', upstreamUrl));
    if (!process.argv.includes('--no-split')) rows.push(await benchPlatform('split', upstreamUrl));
  } finally {
    upstream.child.kill();
  }
  report(rows);
}

async function benchBareProxy(upstreamUrl: string): Promise<Row> {
  const proxy = await startPinned(join(import.meta.dirname, 'bare-proxy.js'), [upstreamUrl], GATEWAY_CORE);
  try {
    return await measure('bare Node proxy', Number(proxy.firstLine), '/v1/chat/completions', {}, () => [proxy.child.pid!]);
  } finally {
    proxy.child.kill();
  }
}

async function benchPlatform(shape: Shape, upstreamUrl: string): Promise<Row> {
  const platform = await startPlatform({
    shape,
    providers: [{ slug: 'bench', baseUrl: `${upstreamUrl}/v1`, endpoints: [{ model: MODEL, prices: { prompt: '0.01', completion: '0.02' } }] }],
  });
  try {
    const url = new URL(platform.baseUrl);
    const headers = { authorization: `Bearer ${platform.apiKey}`, 'content-type': 'application/json' };
    pinPlatform(platform);
    const pids = () => [...new Set(Object.values(platform.processes).flat())];
    return await measure(
      shape === 'all' ? 'all in one process' : 'split over gRPC and Kafka',
      Number(url.port),
      `${url.pathname}/chat/completions`,
      headers,
      pids,
    );
  } finally {
    await platform.remove();
  }
}

/** Ours to one core; what they store in, to the other. */
function pinPlatform(platform: StartedPlatform): void {
  if (!canPin) return;
  for (const { pid, name } of descendants(process.pid)) if (THREADS_WITH_OTHER_NAMES.test(name)) pin(pid, LOAD_CORE);
  for (const pid of Object.values(platform.processes).flat()) pin(pid, GATEWAY_CORE);
}

async function measure(name: string, port: number, path: string, headers: Record<string, string>, pids: () => number[]): Promise<Row> {
  const load = { port, path, headers, body: BODY, connections: CONNECTIONS };
  await generateLoad({ ...load, durationMs: WARM_UP_MS });
  const before = cpuSeconds(pids());
  const result = await generateLoad({ ...load, durationMs: SECONDS * 1_000 });
  const after = cpuSeconds(pids());
  const cpuMicrosPerRequest = before === undefined || after === undefined ? undefined : ((after - before) * 1e6) / result.requests;
  console.log(`${name}: ${Math.round(result.requests / (result.durationMs / 1000))} requests/s, ${result.failures} failed`);
  return { name, load: result, cpuMicrosPerRequest };
}

function report(rows: readonly Row[]): void {
  const floor = rows[0]!.load.requests / rows[0]!.load.durationMs;
  const lines = rows.map(({ name, load, cpuMicrosPerRequest }) => {
    const perSecond = load.requests / (load.durationMs / 1000);
    const ratio = load.requests / load.durationMs / floor;
    return `| ${name} | ${Math.round(perSecond)} | ${ratio.toFixed(2)} | ${cpuMicrosPerRequest?.toFixed(0) ?? '–'} | ${load.p50.toFixed(2)} | ${load.p99.toFixed(2)} | ${load.failures} |`;
  });
  const table = [`| set-up | requests/s | of the floor | CPU-µs a request | p50 ms | p99 ms | failed |`, `|---|---|---|---|---|---|---|`, ...lines].join('\n');
  const machine = `${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, ${canPin ? `pinned to core ${GATEWAY_CORE}` : 'NOT PINNED: taskset is missing'}, ${CONNECTIONS} connections, ${SECONDS} s a row`;
  console.log(`\n${machine}\n\n${table}`);
  const folder = resolve(import.meta.dirname, '../../../test-results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'bench.json'), JSON.stringify({ machine, rows }, undefined, 2));
}

await main();
