import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startSimulatedProvider, type SimulatedProvider } from '@switchyard/simulator';
import { Customer, testCatalog } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { BookReader } from './books.js';
import { ChaosPlatform } from './chaos-platform.js';
import { ClientLoad, type Observation } from './client-load.js';
import { Recorder } from './recorder.js';

const PROGRAM = resolve(import.meta.dirname, '../../../services/all/dist/main.js');
const MODEL = 'acme/writer';
const CONSUMERS = ['billing', 'analytics'] as const;
const PUBLISHERS = ['ingress', 'worker'] as const;
/** Longer than a request to a broker may take. */
const SILENCE_SECONDS = 16;
const PICO_PER_USD = 1e12;
const WAIT = { timeoutMs: 60_000, intervalMs: 50 };
jest.setTimeout(180_000);

type Kind = (typeof CONSUMERS)[number] | (typeof PUBLISHERS)[number];

describe('requests and their events', () => {
  const recorder = new Recorder();
  let provider: SimulatedProvider;
  let platform: ChaosPlatform;
  let customer: Customer;
  let books: BookReader;
  let seed = 0;
  beforeAll(async () => {
    provider = await startSimulatedProvider({ firstTokenMs: 5, betweenWordsMs: 1 });
    platform = await ChaosPlatform.start({
      replicas: { ingress: 1, worker: 1, router: 1, billing: 2, analytics: 2 },
      deadlines: { attemptTotalMs: 20_000, leaseReserveMs: 60_000, leaseSettleMarginMs: 25_000, leaseAbandonAfterMs: 600_000 },
      // Small enough that a consumer is in the middle of something whenever it is killed.
      environment: { SWITCHYARD_BILLING_BATCH_SIZE: '20', SWITCHYARD_ANALYTICS_BATCH_SIZE: '20' },
      catalog: testCatalog([{ slug: 'alpha', baseUrl: `${provider.url}/v1`, endpoints: [{ model: MODEL, prices: { prompt: '1', completion: '2' } }] }], false),
      recorder,
      keepsFolder: false,
    });
    customer = await Customer.create({ baseUrl: platform.ingressUrls[0]!, grpcAddresses: { billing: platform.grpcAddress('billing') } }, '1000');
    books = new BookReader(platform.databaseUrl, platform.kafkaBrokers);
  }, 300_000);
  afterEach(async () => {
    platform.healEverything();
    await platform.untilReady();
  });
  afterAll(async () => {
    customer?.close();
    await books?.close();
    await platform?.remove();
    await provider?.close();
  }, 120_000);

  /** Sums a metric over all its labels, in each process of a target. */
  async function metric(kind: Kind, name: string): Promise<number[]> {
    const texts = await Promise.all(platform.healthUrls(kind).map(async (url) => (await fetch(`${url}/metrics`)).text()));
    return texts.map((text) => {
      const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map(([, value]) => Number(value));
      expect(values.length).toBeGreaterThan(0);
      return values.reduce((sum, value) => sum + value, 0);
    });
  }
  const unpublished = async () => (await metric('ingress', 'switchyard_spool_unpublished_records'))[0]!;
  const waitsInSpool = (count: number) => eventually(async () => expect(await unpublished()).toBeGreaterThan(count), WAIT);
  const link = () => platform.link('any-kafka', 0);

  /** What clients saw who kept asking all the time. */
  async function askDuring(work: (load: ClientLoad) => Promise<void>): Promise<readonly Observation[]> {
    const ingresses = [{ name: platform.ingressNames[0]!, url: platform.ingressUrls[0]! }];
    const load = new ClientLoad({ seed: ++seed, ingresses, keys: [customer.apiKey], models: [MODEL], clientCount: 4, pauseMs: 100, patienceMs: 30_000 });
    load.start();
    try {
      await work(load);
    } finally {
      await load.stop();
    }
    return load.observations;
  }

  const served = (load: ClientLoad, count: number) => {
    const before = load.observations.length;
    return eventually(() => expect(load.observations.length).toBeGreaterThan(before + count), WAIT);
  };

  function expectServed(observations: readonly Observation[]): void {
    expect(observations.filter(({ status, outcome }) => status !== 200 || (outcome !== 'whole' && outcome !== 'left'))).toEqual([]);
    expect(observations.length).toBeGreaterThan(50);
  }

  /** Everything drains, and then each answer is in all the books once, at the price that its client was told. */
  async function expectBookedOnce(observations: readonly Observation[]): Promise<void> {
    const whole = observations.filter(({ outcome }) => outcome === 'whole');
    await eventually(async () => {
      for (const kind of PUBLISHERS) expect(await metric(kind, 'switchyard_spool_unpublished_records')).toEqual([0]);
      expect(await books.unended(idsOf(whole))).toEqual([]);
      expect(await books.lag()).toBe(0n);
      for (const kind of CONSUMERS) expect(await metric(kind, 'switchyard_consumer_lag_records')).toEqual([0, 0]);
    }, WAIT);
    const { generations, ...rest } = await books.read();
    const booked = new Map(generations.map((generation) => [generation.generationId, generation]));
    expect(booked.size).toBe(generations.length);
    for (const { generationId, costUsd } of whole) {
      const { chargePico, chargePostingCount, flags } = booked.get(generationId!)!;
      expect({ generationId, costUsd: Number(chargePico) / PICO_PER_USD, chargePostingCount, flags }).toEqual({
        generationId,
        costUsd,
        chargePostingCount: 1,
        flags: [],
      });
    }
    expect(rest).toMatchObject({
      attemptsWithoutCost: [],
      costsWithoutGeneration: [],
      doubleCosts: [],
      unevenAnalytics: [],
      ledgerSumPico: 0n,
      deadLetterCount: 0,
    });
    expect(rest.attemptCount).toBe(provider.counts.requests);
    expect(await customer.verifyLedger()).toEqual([]);
  }

  async function printedVerification(): Promise<string> {
    const env = { PATH: process.env['PATH'] ?? '', SWITCHYARD_BILLING_ADDRESS: platform.grpcAddress('billing') };
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, 'ledger', 'verify'], { env }).catch((error: { stdout: string }) => error);
    return stdout.trim();
  }

  it('go on while each byte to and from Kafka comes half a second late, and events keep coming through', async () => {
    const observations = await askDuring(async (load) => {
      const sinceMs = performance.now();
      link().harm({ kind: 'delay', delayMs: 500 });
      await waitsInSpool(5);
      await eventually(async () => {
        const later = load.observations.filter(({ outcome, sentAtMs }) => outcome === 'whole' && sentAtMs > sinceMs);
        expect((await books.unended(idsOf(later))).length).toBeLessThan(later.length);
      }, WAIT);
      await eventually(async () => expect(Math.max(...(await metric('billing', 'switchyard_consumer_lag_records')))).toBeGreaterThan(0), WAIT);
      link().heal();
    });
    expectServed(observations);
    await expectBookedOnce(observations);
  });

  it('go on while Kafka swallows everything for longer than its requests may take, and what arrives late after all counts once', async () => {
    const observations = await askDuring(async (load) => {
      await served(load, 20);
      link().harm({ kind: 'black_hole' });
      await waitsInSpool(50);
      await eventually(async () => expect((await metric('ingress', 'switchyard_spool_oldest_age_seconds'))[0]).toBeGreaterThan(SILENCE_SECONDS), WAIT);
      // Who is told to end meanwhile ends, and is started again.
      const starts = CONSUMERS.map((kind) => recorder.countOf(kind, 'started'));
      for (const kind of CONSUMERS) platform.process(kind, 1).stop();
      await eventually(() => expect(CONSUMERS.map((kind) => recorder.countOf(kind, 'started'))).toEqual(starts.map((count) => count + 1)), WAIT);
      link().heal();
      await served(load, 20);
    });
    expectServed(observations);
    await expectBookedOnce(observations);
  });

  it('go on while Kafka is stopped and started again and refuses meanwhile', async () => {
    const observations = await askDuring(async (load) => {
      await served(load, 20);
      const starts = recorder.countOf('kafka', 'ready');
      platform.process('kafka', 0).stop();
      await waitsInSpool(50);
      await eventually(() => expect(recorder.countOf('kafka', 'ready')).toBe(starts + 1), WAIT);
      await served(load, 20);
    });
    expectServed(observations);
    await expectBookedOnce(observations);
  });

  it('go on while consumers come, and are killed in the middle of what waits for them', async () => {
    const observations = await askDuring(async (load) => {
      await served(load, 20);
      await becomingReady(1, (process) => process.stop());
      link().harm({ kind: 'cut' });
      await waitsInSpool(100);
      const waiting = idsOf(load.observations.filter(({ outcome }) => outcome === 'whole'));
      const unbooked = (await books.unended(waiting)).length;
      link().heal();
      await eventually(async () => expect((await books.unended(waiting)).length).toBeLessThan(unbooked), { ...WAIT, intervalMs: 5 });
      const stillWaits = async () => expect(await books.lag()).toBeGreaterThan(0n);
      await Promise.all([becomingReady(0, (process) => process.kill()), stillWaits()]);
    });
    expectServed(observations);
    await expectBookedOnce(observations);
    expect(await printedVerification()).toMatch(/no differences\.$/);
  });

  /** Ends one instance of each consumer, and waits until it is there again. */
  async function becomingReady(instance: number, end: (process: ReturnType<ChaosPlatform['process']>) => void): Promise<void> {
    const before = CONSUMERS.map((kind) => recorder.countOf(kind, 'ready'));
    for (const kind of CONSUMERS) end(platform.process(kind, instance));
    await eventually(() => expect(CONSUMERS.map((kind) => recorder.countOf(kind, 'ready'))).toEqual(before.map((count) => count + 1)), WAIT);
  }
});

function idsOf(observations: readonly Observation[]): string[] {
  return observations.map(({ generationId }) => String(generationId));
}
