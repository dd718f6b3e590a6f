import { join } from 'node:path';
import { startPlatform, type Shape, type StartedPlatform, type TestProvider } from '@switchyard/test-platform';
import { descendants, endProcess, GATEWAY_CORE, LOAD_CORE, pin, startPinned, type PinnedProcess } from './pinned-process.js';
import { installPortkey, portkeyScript } from './portkey.js';
import type { RequestTarget } from './requests.js';

/** What one request goes through. */
export interface SetUp {
  readonly target: RequestTarget;
  /** As requests name it. */
  readonly model: string;
  /** Processes on the gateway's core. */
  readonly gatewayPids: readonly number[];
  /** By name, as they are now: processes of what it stores in. Databases start and end some with their connections. */
  storePids(): Readonly<Record<string, readonly number[]>>;
  readonly platform?: StartedPlatform;
  stop(): Promise<void>;
}

export interface Upstream {
  readonly process: PinnedProcess;
  readonly ports: readonly number[];
}

export const MODEL_COUNT = 50;
/** All of one length. */
export const MODELS = Array.from({ length: MODEL_COUNT }, (_, index) => `acme/writer-${String(index + 1).padStart(2, '0')}`);
const STORES: Readonly<Record<string, RegExp>> = { Postgres: /^postgres/, Kafka: /^java/, containers: /^docker/ };

export async function startUpstream(): Promise<Upstream> {
  const started = await startPinned(join(import.meta.dirname, 'static-upstream.js'), [], LOAD_CORE);
  return { process: started, ports: started.firstLine.split(',').map(Number) };
}

/** No gateway at all. */
export function direct(upstream: Upstream): SetUp {
  const target = { port: upstream.ports[0]!, path: '/v1/chat/completions', headers: {} };
  return { target, model: 'writer', gatewayPids: [], storePids: () => ({}), stop: () => Promise.resolve() };
}

export async function startBareProxy(upstream: Upstream): Promise<SetUp> {
  const proxy = await startPinned(join(import.meta.dirname, 'bare-proxy.js'), [`http://127.0.0.1:${upstream.ports[0]}`], GATEWAY_CORE);
  const target = { port: Number(proxy.firstLine), path: '/v1/chat/completions', headers: {} };
  return { target, model: 'writer', gatewayPids: [proxy.pid], storePids: () => ({}), stop: () => endProcess(proxy.child) };
}

/** @throws Error when its packages cannot be had */
export async function startPortkey(upstream: Upstream): Promise<SetUp> {
  const folder = await installPortkey();
  const { child, pid, port } = await portkeyScript(folder);
  const headers = {
    authorization: 'Bearer none',
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${upstream.ports[0]}/v1`,
  };
  const target = { port, path: '/v1/chat/completions', headers };
  return { target, model: 'writer', gatewayPids: [pid], storePids: () => ({}), stop: () => endProcess(child) };
}

/** Fifty models, each at three providers, with the quick start's own key. */
export async function startSwitchyard(shape: Shape, upstream: Upstream, environment: Readonly<Record<string, string>> = {}): Promise<SetUp> {
  const others = new Set(descendants(process.pid).map(({ pid }) => pid));
  const platform = await startPlatform({ shape, providers: providersAt(upstream), environment });
  const own = () => descendants(process.pid).filter(({ pid }) => !others.has(pid));
  const gatewayPids = own().flatMap(({ pid, name }) => (storeOf(name) === undefined ? [pid] : []));
  for (const { pid, name } of own()) pin(pid, storeOf(name) === undefined ? GATEWAY_CORE : LOAD_CORE);
  const storePids = () => pidsByStore(own());
  const url = new URL(platform.baseUrl);
  const target = { port: Number(url.port), path: `${url.pathname}/chat/completions`, headers: { authorization: `Bearer ${platform.apiKey}` } };
  return { target, model: MODELS[0]!, gatewayPids, storePids, platform, stop: () => platform.remove() };
}

/** Prices in USD for a million tokens; what differs between providers gives routing something to weigh. */
function providersAt(upstream: Upstream): TestProvider[] {
  return upstream.ports.map((port, index) => ({
    slug: `bench-${index + 1}`,
    baseUrl: `http://127.0.0.1:${port}/v1`,
    endpoints: MODELS.map((model) => ({ model, prices: { prompt: `0.0${index + 1}`, completion: `0.0${2 * (index + 1)}` } })),
  }));
}

function pidsByStore(processes: readonly { readonly pid: number; readonly name: string }[]): Record<string, number[]> {
  const pids: Record<string, number[]> = {};
  for (const { pid, name } of processes) {
    const store = storeOf(name);
    if (store !== undefined) (pids[store] ??= []).push(pid);
  }
  return pids;
}

function storeOf(processName: string): string | undefined {
  return Object.keys(STORES).find((store) => STORES[store]!.test(processName));
}
