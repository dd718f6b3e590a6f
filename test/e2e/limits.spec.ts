import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, MODELS, startFixture, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import OpenAI from 'openai';
import { startGossipingUpstream, type GossipingUpstream } from './gossiping-upstream.js';
import { LISTED_ENDPOINTS, LISTED_MODELS, modelListSuite } from './model-list.suite.js';

interface Answer {
  readonly usage: { readonly prompt_tokens: number; readonly cost: number };
}
interface ErrorBody {
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly metadata?: {
      readonly error_type?: string;
      readonly scope?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly previous_errors?: readonly { readonly message: string; readonly code: number }[];
    };
    readonly availability?: { readonly constraint?: { readonly field: string } };
  };
}
interface QuotaBody {
  readonly data: {
    readonly is_free_tier: boolean;
    readonly free_model_daily_requests: { readonly limit: number; readonly used: number; readonly remaining: number };
  };
}

const FREE = `${MODELS.writer}:free`;
const SLOW = 'acme/slow';
const LIAR = 'acme/liar';
const PONDERER = 'acme/ponderer';
const VAST = 'acme/vast';
const GOSSIP = 'acme/gossip';
const RUMOUR = 'acme/rumour';
const MAX_CONCURRENT = 4;
const CREDENTIAL = 'sk-canary-0123456789abcdef';
const PRICES = { prompt: '1', completion: '2' };

describe('limits of a platform', () => {
  let fixture: Fixture;
  let gossip: GossipingUpstream;
  const customers: Customer[] = [];

  beforeAll(async () => {
    gossip = await startGossipingUpstream();
    fixture = await startFixture({
      shape: 'all',
      environment: {
        SWITCHYARD_KEEP_ALIVE_COMMENT_MS: '500',
        SWITCHYARD_MAX_CONCURRENT_GENERATIONS: String(MAX_CONCURRENT),
        ...Object.fromEntries(['418', '500', '400'].map((status) => [`SWITCHYARD_CREDENTIAL_GOSSIP_${status}`, CREDENTIAL])),
      },
      catalog: {
        models: [
          ...LISTED_MODELS,
          ...[SLOW, LIAR, GOSSIP, RUMOUR].map((slug) => ({ slug, name: slug, context_length: 200_000 })),
          { slug: PONDERER, name: PONDERER, context_length: 200_000, reasoning: true, reasoning_mandatory: true },
          { slug: VAST, name: VAST, context_length: 4_000_000 },
        ],
      },
      providers: {
        giver: {
          name: 'Giver',
          endpoints: [...LISTED_ENDPOINTS, { model: PONDERER, prices: PRICES }, { model: VAST, prices: PRICES, context_length: 4_000_000 }],
        },
        slow: { name: 'Slow', simulate: { firstTokenMs: 2_500 }, endpoints: [{ model: SLOW, prices: PRICES }] },
        liar: { name: 'Liar', simulate: { usageInflation: 200 }, endpoints: [{ model: LIAR, prices: PRICES }] },
        ...Object.fromEntries(
          ['418', '500', '400'].map((status) => [
            `gossip-${status}`,
            {
              name: `Gossip ${status}`,
              baseUrl: `${gossip.url}/${status}/v1`,
              credential: 'environment' as const,
              endpoints: [GOSSIP, RUMOUR].map((model) => ({ model, prices: PRICES })),
            },
          ]),
        ),
      },
    });
  }, 180_000);
  afterAll(async () => {
    for (const customer of customers) customer.close();
    await fixture.stop();
    await gossip.close();
  }, 60_000);

  const newCustomer = async (creditUsd: string) => {
    const customer = await Customer.create(fixture.platform, creditUsd);
    customers.push(customer);
    return customer;
  };
  const messages = (content = 'say 5 words') => [{ role: 'user' as const, content }];
  const chat = <Body = ErrorBody>(body: object, headers: Record<string, string> = {}) =>
    call<Body>(fixture.platform.baseUrl, '/chat/completions', { key: fixture.platform.apiKey, body: { messages: messages(), ...body }, headers });

  modelListSuite(() => fixture);

  describe('time', () => {
    it('a slow upstream is bridged by comments, before the first content too [C11]', async () => {
      const { text } = await chat({ model: SLOW, stream: true });
      const comment = text.indexOf(': OPENROUTER PROCESSING');
      expect(comment).toBeGreaterThanOrEqual(0);
      expect(comment).toBeLessThan(text.indexOf('data: '));
      expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
    });

    it('official clients do not notice the comments [C11]', async () => {
      const client = new OpenAI({ baseURL: fixture.platform.baseUrl, apiKey: fixture.platform.apiKey, maxRetries: 0 });
      let text = '';
      for await (const chunk of await client.chat.completions.create({ model: SLOW, stream: true, messages: messages() })) {
        text += chunk.choices[0]?.delta.content ?? '';
      }
      expect(text).toBe('word1 word2 word3 word4 word5');
    });

    it('a request over the number of concurrent ones gets 503 and when to come back; the others are served', async () => {
      const upstream = fixture.upstreams['slow']!;
      const { requests } = upstream.counts;
      const running = Array.from({ length: MAX_CONCURRENT }, () => chat<Answer>({ model: SLOW }));
      await eventually(() => expect(upstream.counts.requests).toBe(requests + MAX_CONCURRENT));
      const refused = await chat({ model: MODELS.writer });
      expect(refused.status).toBe(503);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
      expect(refused.body.error).toMatchObject({ code: 503, metadata: { error_type: 'provider_overloaded' } });
      expect((await Promise.all(running)).map((answer) => answer.status)).toEqual(Array.from({ length: MAX_CONCURRENT }, () => 200));
      expect((await chat({ model: MODELS.writer })).status).toBe(200);
    });
  });

  describe('size', () => {
    it('a prompt of a million tokens passes, and is counted', async () => {
      const answer = await chat<Answer>({ model: VAST, max_tokens: 10, messages: messages(`${'word '.repeat(800_000)} say 2 words`) });
      expect(answer.status).toBe(200);
      expect(answer.body.usage.prompt_tokens).toBeGreaterThan(1_000_000);
      expect(answer.body.usage.cost).toBeGreaterThan(1);
    });

    it('a body over 32 MiB gets 413', async () => {
      const large = await chat({ model: MODELS.writer, messages: messages('x'.repeat(33 * 1024 * 1024)) });
      expect([large.status, large.body.error.code, large.body.error.metadata?.error_type]).toEqual([413, 413, 'payload_too_large']);
      expect((await chat({ model: MODELS.writer })).status).toBe(200);
    });

    it('headers over 32 KiB get 431', async () => {
      expect((await chat({ model: MODELS.writer }, { 'x-large': 'x'.repeat(40_000) })).status).toBe(431);
      expect((await chat({ model: MODELS.writer }, { 'x-large': 'x'.repeat(8_000) })).status).toBe(200);
    });
  });

  describe('reasoning', () => {
    it.each([{ reasoning: { effort: 'none' } }, { reasoning_effort: 'none' }])(
      'cannot be switched off where a model always reasons (%#) [C23]',
      async (off) => {
        const refused = await chat({ model: PONDERER, ...off });
        expect(refused.status).toBe(400);
        expect(refused.body.error).toMatchObject({
          code: 400,
          metadata: { error_type: 'invalid_request' },
          availability: { constraint: { field: 'reasoning.effort' } },
        });
        expect(refused.body.error.message).toContain(PONDERER);
        expect((await chat({ model: PONDERER, reasoning: { effort: 'low' } })).status).toBe(200);
        expect((await chat({ model: MODELS.writer, ...off })).status).toBe(200);
        expect((await chat<{ model: string }>({ models: [PONDERER, MODELS.writer], ...off })).body.model).toBe(MODELS.writer);
      },
    );
  });

  describe('debt', () => {
    it('keeps an account from every model, free ones included, until it is covered [E03]', async () => {
      const customer = await newCustomer('0.005');
      const ask = (model: string) =>
        customer.call<ErrorBody & Answer>('/chat/completions', { body: { model, max_tokens: 100, messages: messages('say 50 words') } });
      // Its provider reports far more than the request could have used: the customer owes it.
      const owed = await ask(LIAR);
      expect(owed.status).toBe(200);
      expect(owed.body.usage.cost).toBeGreaterThan(0.005);
      await eventually(async () => {
        const { body } = await customer.manage<{ data: { total_credits: number; total_usage: number } }>('/credits');
        expect(body.data.total_usage).toBe(owed.body.usage.cost);
        expect(body.data.total_usage).toBeGreaterThan(body.data.total_credits);
      });
      for (const model of [FREE, MODELS.writer]) {
        const refused = await eventually(async () => {
          const answer = await ask(model);
          expect(answer.status).toBe(402);
          return answer;
        });
        expect(refused.body.error).toMatchObject({ code: 402, metadata: { error_type: 'payment_required', scope: 'account_credit' } });
      }
      await customer.grant('1');
      for (const model of [FREE, MODELS.writer]) await eventually(async () => expect((await ask(model)).status).toBe(200));
      expect(await customer.verifyLedger()).toEqual([]);
    });
  });

  describe('free models', () => {
    const rateLimitHeaders = (headers: Readonly<Record<string, unknown>>) => Object.keys(headers).filter((name) => name.startsWith('x-ratelimit'));
    const quotaOf = async (customer: Customer) => (await customer.call<QuotaBody>('/key')).body.data;

    it('take 20 requests a minute, failed ones counted, and tell the limit only when it is reached [E07 X21]', async () => {
      const customer = await newCustomer('1');
      const ask = () => customer.call<ErrorBody>('/chat/completions', { body: { model: FREE, messages: messages() } });
      const { faults } = fixture.upstreams['giver']!;
      faults.add({ kind: 'garbage', share: 1, seed: 1, delayMs: 0, afterWords: 0 });
      const failed = await ask();
      faults.clear();
      expect(failed.status).toBe(502);
      const minutes = [minuteOf(failed.headers)];
      let answer = await ask();
      for (; answer.status === 200 && minutes.length < 60; answer = await ask()) {
        expect(rateLimitHeaders(answer.headers)).toEqual([]);
        minutes.push(minuteOf(answer.headers));
      }
      expect(answer.status).toBe(429);
      const resetMs = Number(answer.headers['x-ratelimit-reset']);
      expect(answer.headers).toMatchObject({ 'x-ratelimit-limit': '20', 'x-ratelimit-remaining': '0' });
      expect(resetMs % 60_000).toBe(0);
      // The minute may have turned meanwhile: what was full is the one that ends at the reset.
      expect(minutes.filter((minute) => (minute + 1) * 60_000 === resetMs)).toHaveLength(20);
      expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60);
      expect(answer.body.error).toMatchObject({
        code: 429,
        message: expect.stringContaining('free-models-per-min'),
        metadata: {
          error_type: 'rate_limit_exceeded',
          headers: { 'X-RateLimit-Limit': '20', 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': String(resetMs) },
        },
      });
      // Another key of the account is in the same boat; a model that is paid for is not.
      const other = await customer.newKey({});
      const retried = await call(fixture.platform.baseUrl, '/chat/completions', { key: other.secret, body: { model: FREE, messages: messages() } });
      if (Date.now() < resetMs) expect(retried.status).toBe(429);
      expect((await customer.call('/chat/completions', { body: { model: MODELS.writer, messages: messages() } })).status).toBe(200);
      await eventually(async () => {
        const { limit, used, remaining } = (await quotaOf(customer)).free_model_daily_requests;
        expect(used).toBeGreaterThanOrEqual(minutes.length);
        expect([limit, remaining]).toEqual([50, 50 - used]);
      });
    });

    it('count as a fallback, too: no credit is no way around their quota [X21]', async () => {
      const customer = await newCustomer('0.000001');
      const ask = () => customer.call<ErrorBody & { model: string }>('/chat/completions', { body: { models: [MODELS.writer, FREE], messages: messages() } });
      let served = 0;
      let answer = await ask();
      for (; answer.status === 200 && served < 60; answer = await ask()) {
        expect(answer.body.model).toBe(FREE);
        served++;
      }
      expect([answer.status, served < 41]).toEqual([429, true]);
      expect(answer.headers['x-ratelimit-limit']).toBe('20');
    });

    it('take 50 requests a day, 1000 once ten dollars were bought; a gift is no purchase [X21]', async () => {
      const customer = await newCustomer('100');
      expect(await quotaOf(customer)).toMatchObject({ is_free_tier: true, free_model_daily_requests: { limit: 50, used: 0, remaining: 50 } });
      await customer.grant('9.99');
      expect(await quotaOf(customer)).toMatchObject({ is_free_tier: true, free_model_daily_requests: { limit: 50 } });
      await customer.grant('0.01');
      expect(await quotaOf(customer)).toMatchObject({ is_free_tier: false, free_model_daily_requests: { limit: 1_000, remaining: 1_000 } });
    });

    it('show no limit headers for the limit of a provider [E07]', async () => {
      const { faults } = fixture.upstreams['alpha']!;
      faults.add({ kind: 'rate_limit', share: 1, seed: 1, delayMs: 0, afterWords: 0, retryAfterSeconds: 1 });
      const answer = await chat({ model: MODELS.writer, provider: { only: ['alpha'] } });
      faults.clear();
      expect(answer.status).toBe(429);
      expect(rateLimitHeaders(answer.headers)).toEqual([]);
      expect(answer.body.error.metadata).not.toHaveProperty('headers');
      expect(answer.headers['retry-after']).toBe('1');
    });
  });

  it('a key takes as many requests a minute as it was given, and tells its limit the same way [E07]', async () => {
    const customer = await newCustomer('1');
    const key = await customer.newKey({ requests_per_minute: 3 });
    const ask = () => call<ErrorBody>(fixture.platform.baseUrl, '/chat/completions', { key: key.secret, body: { model: MODELS.writer, messages: messages() } });
    const minutes: number[] = [];
    let answer = await ask();
    for (; answer.status === 200 && minutes.length < 20; answer = await ask()) minutes.push(minuteOf(answer.headers));
    expect(answer.status).toBe(429);
    const resetMs = Number(answer.headers['x-ratelimit-reset']);
    expect(answer.headers).toMatchObject({ 'x-ratelimit-limit': '3', 'x-ratelimit-remaining': '0' });
    expect(minutes.filter((minute) => (minute + 1) * 60_000 === resetMs)).toHaveLength(3);
    // The account's other keys have no such limit.
    expect((await customer.call('/chat/completions', { body: { model: MODELS.writer, messages: messages() } })).status).toBe(200);
  });

  describe('an upstream that tells too much', () => {
    const ask = (order: string[], stream: boolean, model = GOSSIP) => chat({ model, stream, provider: { order, only: order } });
    const everything = (answer: { headers: unknown; text: string }) => `${JSON.stringify(answer.headers)}${answer.text}`;

    it.each([false, true])('is masked where the failure has no place in the error table (streamed: %s) [E12]', async (stream) => {
      const answer = await ask(['gossip-418'], stream);
      expect(answer.status).toBe(500);
      expect(answer.body.error).toMatchObject({ code: 500, message: 'Internal Server Error' });
      expect(answer.body.error.metadata).toBeUndefined();
      expect(everything(answer)).not.toContain(gossip.secret);
      expect(everything(answer)).not.toContain(CREDENTIAL);
    });

    it.each([
      ['gossip-500', 502],
      ['gossip-400', 400],
    ])('never shows the credential it was called with: %s [E12]', async (slug, status) => {
      for (const stream of [false, true]) {
        const answer = await ask([slug], stream);
        expect(answer.status).toBe(status);
        expect(everything(answer)).not.toContain(CREDENTIAL);
        expect(answer.headers).not.toHaveProperty('x-inner-host');
      }
    });

    it('is masked in the history of attempts, too [E12]', async () => {
      const answer = await ask(['gossip-418', 'gossip-500'], false, RUMOUR);
      expect(answer.status).toBe(502);
      expect(answer.body.error.metadata?.previous_errors?.[0]).toMatchObject({ code: 418, message: '' });
      expect(everything(answer)).not.toContain(CREDENTIAL);
    });

    it('leaves nothing in the log of requests or in the metrics [E12]', async () => {
      const { baseUrl, managementKey } = fixture.platform;
      const log = await eventually(async () => {
        const read = await call<{ data: unknown[] }>(baseUrl, `/logs?model=${GOSSIP}`, { key: managementKey });
        expect(read.body.data.length).toBeGreaterThan(0);
        return read;
      });
      const metrics = await call(new URL(baseUrl).origin, '/metrics');
      for (const text of [log.text, metrics.text, fixture.platform.output()]) {
        expect(text).not.toContain(CREDENTIAL);
        expect(text).not.toContain(gossip.secret);
      }
    });
  });
});

/** The minute a request was accepted in: its id begins with the second. */
function minuteOf(headers: Readonly<Record<string, unknown>>): number {
  return Math.floor(Number(/^gen-(\d+)-/.exec(String(headers['x-generation-id']))![1]) / 60);
}
