import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { call, eventsOf, MODELS, scrape, startFixture, startPlatformIn, sumOf, type Fixture, type PlatformContract } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { request } from 'undici';

interface ErrorBody {
  readonly error: { readonly code: number; readonly message: string; readonly metadata?: { readonly error_type?: string } };
}
interface Credits {
  readonly data: { readonly total_credits: number; readonly total_usage: number };
}

const ENVIRONMENT = { SWITCHYARD_INGRESS_REPLICAS: '3' };
/** Longer than any wait that the gateway allows itself before it answers without a service that it needs. */
const ANSWER_MS = 15_000;
const RECOVERY_MS = 60_000;
/** Longer than from one measurement of the consumers' lag to the next. */
const LAG_INTERVAL_MS = 6_000;
const NONE_WAITS = { switchyard_spool_unpublished_records: 0, switchyard_consumer_lag_records: 0 };
/** Models of which a cheap and a dear provider serve each. */
const CHOICES = Array.from({ length: 40 }, (_, index) => `acme/choice-${index}`);
jest.setTimeout(180_000);

/** What clients notice when one of the five services stands still, dies or is stopped. */
describe('five services of which one is away', () => {
  let fixture: Fixture;
  const suspended = new Set<number>();
  beforeAll(async () => {
    const slow = { name: 'Slow', simulate: { betweenWordsMs: 40 }, endpoints: [{ model: 'acme/slow', prices: { prompt: '1', completion: '2' } }] };
    // By price alone one request in ten thousand would go to the dear one.
    const priced = (name: string, prompt: string) => ({
      name,
      simulate: {},
      endpoints: CHOICES.map((model) => ({ model, prices: { prompt, completion: prompt } })),
    });
    const providers = { slow, cheap: priced('Cheap', '0.01'), dear: priced('Dear', '1') };
    fixture = await startFixture({ shape: 'split', environment: ENVIRONMENT, providers });
  }, 300_000);
  afterEach(() => {
    for (const slug of ['alpha', 'cheap']) fixture.upstreams[slug]!.faults.clear();
    for (const pid of suspended) resume(pid);
  });
  afterAll(async () => {
    await fixture?.stop();
  }, 180_000);

  /** They change when a service is started again. */
  function pidsOf(target: string): readonly number[] {
    return (JSON.parse(readFileSync(join(fixture.platform.dataDirectory, 'quickstart.json'), 'utf8')) as PlatformContract).processes[target]!;
  }

  /** The process exists and answers nobody. */
  function suspend(target: string): number {
    const [pid] = pidsOf(target);
    process.kill(pid!, 'SIGSTOP');
    suspended.add(pid!);
    return pid!;
  }

  function resume(pid: number): void {
    suspended.delete(pid);
    process.kill(pid, 'SIGCONT');
  }

  /** Over all processes. */
  async function waitingRecords(): Promise<Record<string, number>> {
    const samples = await scrape(fixture.platform);
    const names = Object.keys(NONE_WAITS);
    expect(samples.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    return Object.fromEntries(names.map((name) => [name, sumOf(samples, name)]));
  }

  const prompt = (text: string) => [{ role: 'user', content: text }];
  const ask = <Body = Record<string, unknown>>(body: object = {}, ingress = 0, key = fixture.platform.apiKey) =>
    call<Body>(fixture.platform.ingressUrls![ingress]!, '/chat/completions', {
      key,
      body: { model: MODELS.writer, max_tokens: 50, messages: prompt('say 5 words'), ...body },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  const expectAnswer = async (body: object = {}, ingress = 0) => expect((await ask(body, ingress)).status).toBe(200);
  const eventuallyAnswers = (body: object = {}, ingress = 0) => eventually(() => expectAnswer(body, ingress), { timeoutMs: RECOVERY_MS, intervalMs: 200 });
  const expectWholeStream = (text: string) => {
    expect(text).not.toContain('"error"');
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  };

  /** A stream of which the first content has come. */
  async function openStream(body: object, ingress = 0): Promise<{ readonly rest: Promise<string> }> {
    const response = await request(`${fixture.platform.ingressUrls![ingress]}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${fixture.platform.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODELS.writer, stream: true, max_tokens: 200, messages: prompt('say 9 words'), ...body }),
    });
    expect(response.statusCode).toBe(200);
    const pieces = response.body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    let text = '';
    while (!text.includes('"content":"')) text += String((await pieces.next()).value);
    const rest = (async () => {
      for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) text += piece.value.toString();
      return text;
    })();
    return { rest };
  }

  it('answers at every one of three ingresses', async () => {
    expect(fixture.platform.ingressUrls).toHaveLength(3);
    for (const ingress of [0, 1, 2]) await expectAnswer({}, ingress);
  });

  it('avoids a failing provider at once where it failed, and within ten seconds at every ingress', async () => {
    fixture.upstreams['cheap']!.faults.add({ kind: 'server_error', share: 1, seed: 1, delayMs: 0, afterWords: 0 });
    const choose = async (model: string, ingress: number) => {
      const { status, headers } = await ask({ model }, ingress);
      expect([status, headers['x-switchyard-provider']]).toEqual([200, 'dear']);
      return Number(headers['x-switchyard-attempts']);
    };
    for (const model of CHOICES) expect([await choose(model, 0), await choose(model, 0)]).toEqual([2, 1]);
    const untilMs = performance.now() + 10_000;
    for (const ingress of [1, 2]) {
      // Each model is asked for once, so that no failure of its own tells this ingress what to avoid; that which failed last comes first.
      const unasked = [...CHOICES];
      await eventually(async () => expect(await choose(unasked.pop()!, ingress)).toBe(1), { timeoutMs: untilMs - performance.now(), intervalMs: 200 });
    }
  });

  it('serves from the table it knows while the router stands still and after it died', async () => {
    const pid = suspend('router');
    for (const ingress of [0, 1, 2]) await expectAnswer({}, ingress);
    resume(pid);
    process.kill(pid, 'SIGKILL');
    for (let index = 0; index < 30; index++) await expectAnswer({}, index % 3);
    await eventually(() => expect(pidsOf('router')).not.toEqual([pid]), { timeoutMs: RECOVERY_MS });
    const decide = () =>
      call(fixture.platform.baseUrl, '/routing/decide', { key: fixture.platform.apiKey, body: { model: MODELS.writer, messages: prompt('hello') } });
    await eventually(async () => expect((await decide()).status).toBe(200), { timeoutMs: RECOVERY_MS, intervalMs: 200 });
    for (const ingress of [0, 1, 2]) await expectAnswer({}, ingress);
  });

  describe('without billing', () => {
    /** Far more than what a lease that was taken for a small answer has left. */
    const dear = { model: MODELS.thinker, max_tokens: 8_000 };
    const unknownKey = `sk-sy-v1-${'0'.repeat(43)}`;

    it('serves known keys from the leases it holds, tells others when to come back, and recovers by itself', async () => {
      // At the cheaper provider, or the lease would be three times as large.
      await expectAnswer({ max_tokens: 2_000, provider: { only: ['alpha'] } });
      const pid = suspend('billing');
      for (let index = 0; index < 5; index++) await expectAnswer();
      const refused = await ask<ErrorBody>(dear);
      expect(refused.status).toBe(503);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      expect(refused.body.error.code).toBe(503);
      const unknown = await ask<ErrorBody>({}, 0, unknownKey);
      expect(unknown.status).toBe(503);
      expect(Number(unknown.headers['retry-after'])).toBeGreaterThan(0);
      resume(pid);
      await eventuallyAnswers(dear);
      await eventually(async () => expect((await ask({}, 0, unknownKey)).status).toBe(401), { timeoutMs: RECOVERY_MS, intervalMs: 200 });
    });

    it('lets a stream that runs come to its end, long after the last word of billing', async () => {
      // Longer than it takes an ingress to call what it knows of keys stale.
      const { rest } = await openStream({ model: 'acme/slow', messages: prompt('say 90 words') });
      const pid = suspend('billing');
      expectWholeStream(await rest);
      resume(pid);
      await eventuallyAnswers(dear);
    });

    it('goes on by itself once a billing that died is back', async () => {
      const [pid] = pidsOf('billing');
      process.kill(pid!, 'SIGKILL');
      await eventually(() => expect(pidsOf('billing')).not.toEqual([pid]), { timeoutMs: RECOVERY_MS });
      for (const ingress of [0, 1, 2]) await eventuallyAnswers(dear, ingress);
      const { body, status } = await ask<{ id: string }>();
      expect(status).toBe(200);
      const generation = () => call(fixture.platform.baseUrl, `/generation?id=${body.id}`, { key: fixture.platform.apiKey });
      await eventually(async () => expect((await generation()).status).toBe(200), { timeoutMs: RECOVERY_MS, intervalMs: 200 });
    });
  });

  it('ends a stream whose worker died with the typed error, never as if it were whole', async () => {
    fixture.upstreams['alpha']!.faults.add({ kind: 'stall', share: 1, seed: 1, delayMs: 0, afterWords: 3 });
    const only = { provider: { only: ['alpha'] } };
    const { rest } = await openStream(only);
    const [pid] = pidsOf('worker');
    process.kill(pid!, 'SIGKILL');
    const text = await rest;
    expect(eventsOf<Partial<ErrorBody>>(text).at(-1)!.error?.metadata?.error_type).toBe('provider_unavailable');
    fixture.upstreams['alpha']!.faults.clear();
    await eventuallyAnswers();
  });

  it('tries again, or says what is wrong, when the worker died before the first content', async () => {
    const { faults, counts } = fixture.upstreams['alpha']!;
    faults.add({ kind: 'stall', share: 1, seed: 1, delayMs: 0, afterWords: 0 });
    const seen = counts.requests;
    const answer = ask<ErrorBody>({ provider: { order: ['alpha', 'beta'] } });
    await eventually(() => expect(counts.requests).toBeGreaterThan(seen));
    process.kill(pidsOf('worker')[0]!, 'SIGKILL');
    const { status, headers, body } = await answer;
    if (status === 200) expect(headers['x-switchyard-provider']).toBe('beta');
    else {
      // No other worker: its successor may need longer than a client should wait.
      expect(status).toBe(503);
      expect(body.error.code).toBe(503);
    }
    faults.clear();
    await eventuallyAnswers();
  });

  it('lets every stream of an ingress that is told to stop run to its end', async () => {
    const open = await Promise.all(Array.from({ length: 20 }, () => openStream({ model: 'acme/slow', messages: prompt('say 60 words') }, 1)));
    const pid = pidsOf('ingress')[1]!;
    process.kill(pid, 'SIGTERM');
    for (const text of await Promise.all(open.map(({ rest }) => rest))) expectWholeStream(text);
    await eventually(() => expect(pidsOf('ingress')[1]).not.toBe(pid), { timeoutMs: RECOVERY_MS });
    await eventuallyAnswers({}, 1);
  });

  it('has the same keys, balances and generations after a stop and a start', async () => {
    const { dataDirectory, catalogFile, managementKey, apiKey } = fixture.platform;
    const id = (await ask<{ id: string }>()).body.id;
    const read = async (baseUrl: string) => {
      const credits = await call<Credits>(baseUrl, '/credits', { key: managementKey });
      const keys = await call<{ data: { hash: string; usage: number }[] }>(baseUrl, '/keys', { key: managementKey });
      const generation = await call<{ data: Record<string, unknown> }>(baseUrl, `/generation?id=${id}`, { key: apiKey });
      return { statuses: [credits.status, keys.status, generation.status], credits: credits.body, keys: keys.body.data, generation: generation.body.data };
    };
    let before = await read(fixture.platform.baseUrl);
    // Until all events are counted: none waits in a spool, and none in the log by what was measured after that.
    await eventually(
      async () => {
        expect(await waitingRecords()).toEqual(NONE_WAITS);
        const earlier = before;
        before = await read(fixture.platform.baseUrl);
        expect(before.statuses).toEqual([200, 200, 200]);
        expect(before).toEqual(earlier);
      },
      { timeoutMs: RECOVERY_MS, intervalMs: LAG_INTERVAL_MS },
    );
    await fixture.platform.stop();
    const restarted = await startPlatformIn(dirname(dataDirectory), catalogFile, { shape: 'split', environment: ENVIRONMENT });
    try {
      expect({ apiKey: restarted.apiKey, managementKey: restarted.managementKey }).toEqual({ apiKey, managementKey });
      await eventually(async () => expect(await read(restarted.baseUrl)).toEqual(before), { timeoutMs: RECOVERY_MS, intervalMs: 500 });
      const answer = await call(restarted.baseUrl, '/chat/completions', { key: apiKey, body: { model: MODELS.writer, messages: prompt('say 5 words') } });
      expect(answer.status).toBe(200);
    } finally {
      await restarted.stop();
    }
  });
});
