import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, MODELS, type Fixture, type FixtureOptions } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { request } from 'undici';
import type { OtlpReceiver } from './otlp-receiver.js';
import { startQuotingUpstream, type QuotingUpstream } from './quoting-upstream.js';
import { findSecrets, logTexts, metricTexts, rowTexts, withDatabase, type TextsByPlace } from './secret-search.js';

const CANARY = 'canary7f3a9c';
export const CREDENTIAL = `${CANARY}-credential-of-the-provider`;
const STATUSES = [200, 400, 401, 403, 413, 429, 500, 503];
const PROMPT = `${CANARY} in a prompt: say 4 words`;

/** What clients send and nobody may keep. */
const HEADERS = {
  cookie: `session=${CANARY}`,
  'x-secret': CANARY,
  'x-api-key': `sk-${CANARY}`,
  traceparent: `${CANARY}-traceparent`,
  tracestate: `vendor=${CANARY}`,
  baggage: `user=${CANARY}`,
  'x-forwarded-for': CANARY,
};

/** Providers that quote what they were sent, one for each status, and the credential that they are called with. */
export async function canaryProviders(): Promise<{ readonly upstream: QuotingUpstream; readonly options: Pick<FixtureOptions, 'providers' | 'environment'> }> {
  const upstream = await startQuotingUpstream();
  const providers = Object.fromEntries(
    STATUSES.map((status) => [
      `quoting-${status}`,
      {
        baseUrl: `${upstream.url}/${status}/v1`,
        credential: 'environment' as const,
        // Whose answers state their cost.
        like: 'openrouter',
        endpoints: [{ model: `acme/quoting-${status}`, prices: { prompt: '1', completion: '2' } }],
      },
    ]),
  );
  const environment = Object.fromEntries(STATUSES.map((status) => [`SWITCHYARD_CREDENTIAL_QUOTING_${status}`, CREDENTIAL]));
  return { upstream, options: { providers, environment } };
}

/** A secret planted in keys, headers and prompts stays with whoever it was given to. */
export function canarySuite(fixture: () => Fixture, receiver: () => OtlpReceiver): void {
  describe('a canary in keys, headers and prompts', () => {
    let customer: Customer;
    let keySecret: string;
    const told: string[] = [];
    const chat = async (body: object, options: { key?: string; text?: string } = {}) => {
      const answer = await call(fixture().platform.baseUrl, '/chat/completions', {
        key: options.key ?? customer.apiKey,
        headers: HEADERS,
        body: options.text ?? { model: MODELS.writer, messages: [{ role: 'user', content: PROMPT }], ...body },
      });
      if (answer.status >= 400) told.push(answer.text);
      return answer;
    };
    const withFault = async (kind: string, run: () => Promise<unknown>): Promise<void> => {
      const { faults } = fixture().upstreams['alpha']!;
      faults.add({ kind, share: 1, seed: 1, delayMs: 0, afterWords: 2 } as Parameters<typeof faults.add>[0]);
      await run().finally(() => faults.clear());
    };

    beforeAll(async () => {
      customer = await Customer.create(fixture().platform, '5');
      keySecret = customer.apiKey;
      await everyWay();
    }, 120_000);
    afterAll(() => customer.close());

    async function everyWay(): Promise<void> {
      const only = { provider: { only: ['alpha'] } };
      for (const stream of [false, true]) {
        expect((await chat({ stream })).status).toBe(200);
        for (const kind of ['rate_limit', 'server_error', 'context_length', 'moderation', 'cut', 'error_frame', 'garbage'])
          await withFault(kind, () => chat({ ...only, stream }));
        for (const status of STATUSES) await chat({ model: `acme/quoting-${status}`, stream });
      }
      await abort();
      await chat({ max_tokens: -1 });
      await chat({ messages: 'not a list' });
      await chat({}, { text: `{"model": "${MODELS.writer}", "messages": [{"role": "user", "content": "${PROMPT}` });
      await chat({}, { key: `sk-sy-v1-${CANARY}` });
      await chat({ tools: [{ type: 'function', function: { name: CANARY, description: CANARY, parameters: {} } }] });
    }

    async function abort(): Promise<void> {
      await withFault('stall', async () => {
        const response = await request(`${fixture().platform.baseUrl}/chat/completions`, {
          method: 'POST',
          headers: { ...HEADERS, authorization: `Bearer ${customer.apiKey}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: MODELS.writer, stream: true, provider: { only: ['alpha'] }, messages: [{ role: 'user', content: PROMPT }] }),
        });
        await response.body[Symbol.asyncIterator]().next();
        response.body.destroy();
      });
    }

    const findIn = (texts: TextsByPlace): string[] => findSecrets([CANARY, keySecret], texts);

    it('is in no span', async () => {
      await eventually(() => expect(receiver().spans.filter(({ status }) => status === 'error').length).toBeGreaterThan(20), { timeoutMs: 20_000 });
      const spans = receiver().bodies.map((body) => body.toString('latin1'));
      expect(findIn({ spans: spans.join('\n') })).toEqual([]);
    });

    it('is in no log, neither what the program prints nor what it writes to files', () => {
      const texts = logTexts(fixture());
      expect(Object.keys(texts).length).toBeGreaterThan(1);
      expect(findIn(texts)).toEqual([]);
    });

    it('is in no metric', async () => {
      const texts = await metricTexts(fixture());
      expect(Object.keys(texts).length).toBeGreaterThan(0);
      expect(findIn(texts)).toEqual([]);
    });

    it('is in no event, no record and no ledger entry', () =>
      withDatabase(fixture(), async (client) => {
        await eventually(async () => {
          const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM billing.usage_events WHERE body LIKE $1', [`%${customer.accountId}%`]);
          expect(Number(rows[0]!.count)).toBeGreaterThan(30);
        });
        expect(findIn(await rowTexts(client, [CANARY, keySecret]))).toEqual([]);
      }));

    it('is in no error that a client is told, but for its own words that a provider quotes back to it', () => {
      expect(told.length).toBeGreaterThan(20);
      expect(told.flatMap((text) => [CREDENTIAL, keySecret].filter((secret) => text.includes(secret)))).toEqual([]);
    });
  });
}
