import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSimulatedProvider, type SimulatedProvider } from '@switchyard/simulator';
import { eventsOf, testCatalog } from '@switchyard/test-platform';
import { eventually, FreePorts, startTestKafka, startTestPostgres, TestAuthority, type TestPostgres } from '@switchyard/testing';
import { ServiceProcess } from './service-process.js';

const TARGETS = ['worker', 'billing', 'analytics', 'router', 'ingress'] as const;
type Target = (typeof TARGETS)[number];

const MODEL = 'acme/writer';
const WORDS = 120;
const BETWEEN_WORDS_MS = 40;
const OPEN_STREAMS = 8;
const SERVICE_NAME = 'services.switchyard.test';

/** One replica of a target at one of its two places. */
interface Replica {
  readonly process: ServiceProcess;
  readonly place: number;
}

interface Stream {
  readonly generationId: string;
  readonly text: string;
  readonly costUsd: number;
}

/** Five services with mutual TLS, schemas migrated beforehand; each target has two places, of which a replacement takes the free one. */
class Installation {
  readonly replicas = new Map<Target, Replica>();
  private readonly grpcPorts = new Map<Target, readonly number[]>();
  private readonly healthPorts = new Map<Target, readonly number[]>();
  private readonly httpPorts: number[] = [];
  private readonly processes: ServiceProcess[] = [];
  apiKey = '';

  private constructor(
    private readonly folder: string,
    private readonly shared: Readonly<Record<string, string>>,
  ) {}

  static async start(folder: string, shared: Readonly<Record<string, string>>): Promise<Installation> {
    const installation = new Installation(folder, shared);
    const ports = new FreePorts();
    for (const target of TARGETS) {
      installation.grpcPorts.set(target, [await ports.take(), await ports.take()]);
      installation.healthPorts.set(target, [await ports.take(), await ports.take()]);
    }
    installation.httpPorts.push(await ports.take(), await ports.take());
    return installation;
  }

  /** Runs a command to its end. */
  async run(...commandArguments: string[]): Promise<{ exitCode: number | null; output: string }> {
    const child = new ServiceProcess(commandArguments, { ...this.environment(), SWITCHYARD_DATA_DIR: join(this.folder, 'command') });
    return { exitCode: await child.exited, output: child.output };
  }

  async launch(target: Target, place: number, more: Readonly<Record<string, string>> = {}): Promise<void> {
    const healthPort = this.healthPorts.get(target)![place]!;
    const process = new ServiceProcess(['serve', `--target=${target}`], {
      ...this.environment(),
      SWITCHYARD_DATA_DIR: join(this.folder, `${target}-${place}`),
      SWITCHYARD_GRPC_PORT: String(this.grpcPorts.get(target)![place]!),
      SWITCHYARD_HEALTH_PORT: String(healthPort),
      SWITCHYARD_HTTP_PORT: String(this.httpPorts[place]!),
      ...more,
    });
    this.processes.push(process);
    await process.ready(`http://127.0.0.1:${healthPort}`);
    this.replicas.set(target, { process, place });
  }

  /** The new one first; then the old one is told to end. Resolves to its exit code. */
  async replace(target: Target): Promise<number | null> {
    const old = this.replicas.get(target)!;
    await this.launch(target, 1 - old.place);
    old.process.terminate();
    return old.process.exited;
  }

  /** Where a load balancer sends new requests: to the ingress that is ready. */
  get baseUrl(): string {
    return `http://127.0.0.1:${this.httpPorts[this.replicas.get('ingress')!.place]!}/api/v1`;
  }

  /** Resolves when the first content is there; `end` resolves with the whole answer. */
  async openStream(words: number): Promise<{ readonly end: Promise<Stream> }> {
    const response = await fetch(`${this.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL, stream: true, usage: { include: true }, messages: [{ role: 'user', content: `say ${words} words` }] }),
    });
    expect([response.status, response.ok ? '' : await response.text()]).toEqual([200, '']);
    const first = Promise.withResolvers<void>();
    const end = readStream(response.body!, () => first.resolve());
    await Promise.race([first.promise, end]);
    return { end };
  }

  async stopAll(): Promise<void> {
    for (const process of this.processes) await process.kill();
  }

  private environment(): Record<string, string> {
    const addresses = [...this.grpcPorts].map(([target, ports]) => [
      `SWITCHYARD_${target.toUpperCase()}_ADDRESS`,
      ports.map((port) => `127.0.0.1:${port}`).join(','),
    ]);
    return { ...this.shared, ...(Object.fromEntries(addresses) as Record<string, string>) };
  }
}

async function readStream(body: ReadableStream<Uint8Array>, onContent: () => void): Promise<Stream> {
  let text = '';
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.includes('word1')) onContent();
  }
  const chunks = eventsOf<{ id: string; choices?: { delta?: { content?: string } }[]; usage?: { cost: number }; error?: unknown }>(text);
  expect(chunks.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  return {
    generationId: chunks[0]!.id,
    text: chunks.map(({ choices }) => choices?.[0]?.delta?.content ?? '').join(''),
    costUsd: chunks.at(-1)!.usage!.cost,
  };
}

describe('replacing every service while answers stream', () => {
  let folder: string;
  let postgres: TestPostgres;
  let upstream: SimulatedProvider;
  let installation: Installation;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchyard-rolling-'));
    const [database, kafka, provider] = await Promise.all([
      startTestPostgres(),
      startTestKafka(),
      startSimulatedProvider({ firstTokenMs: 5, betweenWordsMs: BETWEEN_WORDS_MS }),
    ]);
    postgres = database;
    upstream = provider;
    const endpoints = [{ model: MODEL, prices: { prompt: '1', completion: '2' } }];
    const write = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const authority = new TestAuthority();
    const { certificate, key } = authority.issue({ names: [SERVICE_NAME] });
    installation = await Installation.start(folder, {
      SWITCHYARD_DATABASE_URL: postgres.url,
      SWITCHYARD_MIGRATE_ON_START: 'false',
      KAFKA_BROKERS: kafka.brokers.join(','),
      SWITCHYARD_KAFKA_TOPIC_PREFIX: kafka.topicPrefix,
      SWITCHYARD_CATALOG_FILE: write('catalog.yaml', JSON.stringify(testCatalog([{ slug: 'alpha', baseUrl: `${upstream.url}/v1`, endpoints }], false))),
      // Longer than a client may take to try an address again that did not answer.
      SWITCHYARD_DRAIN_DELAY_MS: '2500',
      SWITCHYARD_TLS_CERT_FILE: write('tls.crt', certificate),
      SWITCHYARD_TLS_KEY_FILE: write('tls.key', key),
      SWITCHYARD_TLS_CA_FILE: write('ca.crt', authority.certificate),
      SWITCHYARD_TLS_SERVER_NAME: SERVICE_NAME,
    });
  }, 300_000);

  afterAll(async () => {
    await installation.stopAll();
    await upstream.close();
    await postgres.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it('migrates by several commands at once and again, and starts with nothing but mutual TLS between the services', async () => {
    const results = await Promise.all([installation.run('migrate'), installation.run('migrate')]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    for (const target of ['worker', 'billing', 'analytics'] as const) await installation.launch(target, 0);
    await installation.launch('router', 0);
    await installation.launch('ingress', 0);
    const account = await installation.run('demo-account', '--json');
    expect(account.exitCode).toBe(0);
    installation.apiKey = (JSON.parse(account.output) as { apiKey: string }).apiKey;
  }, 120_000);

  it('cuts no stream, refuses no request, and ends every replaced process with 0', async () => {
    const whole: Stream[] = [];
    for (const target of TARGETS) {
      const streams = await Promise.all(Array.from({ length: OPEN_STREAMS }, () => installation.openStream(WORDS)));
      const replaced = installation.replace(target);
      // Requests go on all the while, one after the other, whoever serves them.
      const meanwhile: Stream[] = [];
      const state = { isOver: false };
      void replaced.finally(() => (state.isOver = true));
      while (!state.isOver) meanwhile.push(await (await installation.openStream(3)).end);
      expect({ target, exitCode: await replaced }).toEqual({ target, exitCode: 0 });
      whole.push(...(await Promise.all(streams.map(({ end }) => end))));
      expect(meanwhile.length).toBeGreaterThan(0);
      whole.push(...meanwhile);
    }
    const lengths = new Set(whole.map(({ text }) => text.split(' ').length));
    expect([...lengths].sort((one, other) => one - other)).toEqual([3, WORDS]);
    await eventually(
      async () => {
        const verified = await installation.run('ledger', 'verify');
        expect([verified.exitCode, verified.output]).toEqual([0, expect.stringContaining('no differences')]);
        expect(verified.output).toContain(`charged by events: ${totalUsd(whole)} USD`);
      },
      { timeoutMs: 30_000, intervalMs: 500 },
    );
  }, 180_000);

  it('leaves the events of an ingress that ends without Kafka in its folder, and its successor publishes them', async () => {
    const place = 1 - installation.replicas.get('ingress')!.place;
    await installation.launch('ingress', place, { KAFKA_BROKERS: '127.0.0.1:1', SWITCHYARD_SPOOL_DRAIN_MS: '500', SWITCHYARD_DRAIN_DELAY_MS: '0' });
    const { generationId } = await (await installation.openStream(5)).end;
    const { process } = installation.replicas.get('ingress')!;
    process.terminate();
    expect(await process.exited).toBe(0);
    // Billing may have heard of its attempt, from the worker.
    const explained = async () => (await installation.run('ledger', 'explain', generationId)).output;
    expect(await explained()).toMatch(/has not been posted|knows nothing/);
    await installation.launch('ingress', place);
    await eventually(async () => expect(await explained()).toContain('margin'), { timeoutMs: 60_000, intervalMs: 500 });
  }, 120_000);
});

/** Exact: costs are small decimals. */
function totalUsd(streams: readonly Stream[]): string {
  const pico = streams.reduce((sum, { costUsd }) => sum + BigInt(Math.round(costUsd * 1e12)), 0n);
  return `${pico / 10n ** 12n}.${String(pico % 10n ** 12n).padStart(12, '0')}`.replace(/\.?0+$/, '');
}
