import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startSimulatedProvider, type SimulatedProvider } from '@switchyard/simulator';
import { call, Customer, testCatalog } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { BookReader } from './books.js';
import { ChaosPlatform } from './chaos-platform.js';
import type { ProcessKind } from './fault-plan.js';
import { Recorder } from './recorder.js';

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly code: number | undefined;
  readonly generationId: string;
}

const MODEL = 'acme/writer';
const RESERVE_MS = 6_000;
/** Longer than any wait that the gateway allows itself before it answers without a service that it needs. */
const ANSWER_WITHIN_MS = 15_000;
const RECOVERY_MS = 60_000;
const SPOOL_MAX_BYTES = 400_000;
jest.setTimeout(180_000);

/** How a service is away: it exists and answers nobody, or nobody reaches it. */
const WAYS = [['stands still'], ['cannot be reached']] as const;

describe('what goes on while a service is away', () => {
  let provider: SimulatedProvider;
  let platform: ChaosPlatform;
  let customer: Customer;
  let books: BookReader;
  beforeAll(async () => {
    provider = await startSimulatedProvider();
    const catalog = testCatalog(
      [{ slug: 'alpha', baseUrl: `${provider.url}/v1`, endpoints: [{ model: MODEL, prices: { prompt: '1', completion: '2' } }] }],
      false,
    );
    platform = await ChaosPlatform.start({
      replicas: { ingress: 1, worker: 1, router: 1, billing: 1, analytics: 1 },
      deadlines: { attemptTotalMs: 6_000, leaseReserveMs: RESERVE_MS, leaseSettleMarginMs: 7_000, leaseAbandonAfterMs: 20_000 },
      environment: { SWITCHYARD_SPOOL_MAX_BYTES: String(SPOOL_MAX_BYTES), SWITCHYARD_LEASE_ACQUIRE_TIMEOUT_MS: '1000' },
      catalog,
      recorder: new Recorder(),
      keepsFolder: false,
    });
    customer = await newCustomer();
    books = new BookReader(platform.databaseUrl, platform.kafkaBrokers);
  }, 300_000);
  afterEach(async () => {
    platform.healEverything();
    await platform.untilReady();
    await eventuallyServed();
  });
  afterAll(async () => {
    customer?.close();
    await books?.close();
    await platform?.remove();
    await provider?.close();
  }, 120_000);

  const newCustomer = () => Customer.create({ baseUrl: platform.ingressUrls[0]!, grpcAddresses: { billing: platform.grpcAddress('billing') } }, '10');

  /** A customer whose key is known, and for whom money for thousands of answers is held from now on: many large ones were asked for at once. */
  async function withLease(): Promise<{ untilMs: number }> {
    customer.close();
    customer = await newCustomer();
    const untilMs = performance.now() + RESERVE_MS;
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(customer.apiKey, { max_tokens: 8_000 })));
    for (const { status } of answers) expect(status).toBe(200);
    return { untilMs };
  }

  /** Answers as long as half of the time is left that leases last; resolves with their ids. */
  async function servedFromLeases(untilMs: number): Promise<string[]> {
    const served: string[] = [];
    do {
      const answer = await ask();
      expect(answer.status).toBe(200);
      served.push(answer.generationId);
    } while (performance.now() < untilMs - RESERVE_MS / 2);
    return served;
  }

  function takeAway(kind: ProcessKind, way: (typeof WAYS)[number][0]): void {
    if (way === 'stands still') platform.process(kind, 0).hold();
    else platform.cutOff(kind);
  }

  async function ask(key = customer.apiKey, extra: object = {}): Promise<Answer> {
    const { status, headers, body } = await call<{ error?: { code: number } }>(platform.ingressUrls[0]!, '/chat/completions', {
      key,
      body: { model: MODEL, max_tokens: 50, messages: [{ role: 'user', content: 'say 5 words' }], ...extra },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    return { status, retryAfter: headers['retry-after'] as string | undefined, code: body.error?.code, generationId: String(headers['x-generation-id']) };
  }

  /** A read with the management key: status and the time to come back. */
  async function look(path: string): Promise<{ status: number; retryAfter: string | undefined }> {
    const { status, headers } = await customer.manage(path, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    return { status, retryAfter: headers['retry-after'] as string | undefined };
  }

  const eventuallyServed = () => eventually(async () => expect((await ask()).status).toBe(200), { timeoutMs: RECOVERY_MS, intervalMs: 200 });
  const expectComeBackLater = (answer: { readonly status: number; readonly retryAfter: string | undefined }) => {
    expect(answer.status).toBe(503);
    expect(Number(answer.retryAfter)).toBeGreaterThan(0);
  };
  const eventuallyBooked = (generationIds: readonly string[]) =>
    eventually(async () => expect(await books.unended(generationIds)).toEqual([]), { timeoutMs: RECOVERY_MS, intervalMs: 200 });

  /** What was held through the outage has come back to its customer, long before it would count as abandoned. */
  const expectNothingAbandoned = async () => {
    await eventually(async () => expect(await books.unresolvedLeaseCount()).toBe(0), { timeoutMs: RECOVERY_MS, intervalMs: 200 });
    expect((await books.read()).resolutions).not.toHaveProperty('abandoned');
  };

  const fromIngress = async (path: string) => (await fetch(new URL(path, platform.ingressUrls[0]))).text();
  const readiness = async () => JSON.parse(await fromIngress('/readyz')) as { readonly ready: boolean; readonly degraded: boolean };

  it.each(WAYS)('serves from the table and the list of models that it knows while the router %s', async (way) => {
    expect((await look('/models')).status).toBe(200);
    takeAway('router', way);
    await eventually(async () => expect(await readiness()).toMatchObject({ ready: true, degraded: true }), { timeoutMs: RECOVERY_MS });
    for (let index = 0; index < 10; index++) expect((await ask()).status).toBe(200);
    expect((await look('/models')).status).toBe(200);
  });

  it.each(WAYS)('serves while analytics %s, says when to come back to those who ask it, and then knows everything', async (way) => {
    takeAway('analytics', way);
    const { status, generationId } = await ask();
    expect(status).toBe(200);
    expectComeBackLater(await look(`/generation?id=${generationId}`));
    expectComeBackLater(await look('/activity'));
    for (let index = 0; index < 10; index++) expect((await ask()).status).toBe(200);
    platform.healEverything();
    await eventually(async () => expect((await look(`/generation?id=${generationId}`)).status).toBe(200), { timeoutMs: RECOVERY_MS, intervalMs: 200 });
  });

  it.each(WAYS)('serves known keys from the leases it holds while billing %s, then says when to come back', async (way) => {
    const { untilMs } = await withLease();
    takeAway('billing', way);
    const served = await servedFromLeases(untilMs);
    await eventually(async () => expect(await fromIngress('/readyz')).toMatch(/"detail":"stale: keys verified earlier are served"/));
    expect(await fromIngress('/metrics')).toMatch(/^switchyard_keys_stale 1$/m);
    expectComeBackLater(await ask(`sk-sy-v1-${'0'.repeat(43)}`));
    await eventually(async () => expectComeBackLater(await ask()), { timeoutMs: 2 * RESERVE_MS });
    expectComeBackLater(await look('/credits'));
    platform.healEverything();
    await eventuallyServed();
    await eventuallyBooked(served);
    await expectNothingAbandoned();
  });

  it.each(WAYS)('serves while Kafka %s until the spool is full, then says when to come back, and everything is booked afterwards', async (way) => {
    takeAway('kafka', way);
    const served: string[] = [];
    let refused: Answer | undefined;
    while (refused === undefined) {
      const answer = await ask();
      if (answer.status === 200) served.push(answer.generationId);
      else refused = answer;
    }
    expectComeBackLater(refused);
    expect(served.length).toBeGreaterThan(10);
    expect((await readiness()).ready).toBe(false);
    platform.healEverything();
    await eventuallyServed();
    await eventuallyBooked(served);
  });

  it.each(WAYS)('serves known keys while Postgres %s, then says when to come back, also to those who manage keys', async (way) => {
    const { untilMs } = await withLease();
    takeAway('postgres', way);
    const served = await servedFromLeases(untilMs);
    await eventually(async () => expectComeBackLater(await ask()), { timeoutMs: 2 * RESERVE_MS });
    const looks = await Promise.all(['/credits', '/keys', '/activity', `/generation?id=${served[0]}`].map(look));
    looks.forEach(expectComeBackLater);
    platform.healEverything();
    await eventuallyServed();
    await eventuallyBooked(served);
    await expectNothingAbandoned();
  });
});
