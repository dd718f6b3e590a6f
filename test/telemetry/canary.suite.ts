import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, MODELS, type Fixture, type FixtureOptions } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { Client } from 'pg';
import { request } from 'undici';
import type { OtlpReceiver } from './otlp-receiver.js';
import { startQuotingUpstream, type QuotingUpstream } from './quoting-upstream.js';

const CANARY = 'canary7f3a9c';
const CREDENTIAL = `${CANARY}-credential-of-the-provider`;
const STATUSES = [400, 401, 403, 413, 429, 500, 503];
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

    /** Places where one of the secrets is. */
    const findIn = (texts: Readonly<Record<string, string>>): string[] =>
      Object.entries(texts).flatMap(([place, text]) =>
        [CANARY, keySecret].filter((secret) => text.includes(secret)).map((secret) => `${place}: ${around(text, secret)}`),
      );

    it('is in no span', async () => {
      await eventually(() => expect(receiver().spans.filter(({ status }) => status === 'error').length).toBeGreaterThan(20), { timeoutMs: 20_000 });
      expect(
        findIn({
          spans: receiver()
            .bodies.map((body) => body.toString('latin1'))
            .join('\n'),
        }),
      ).toEqual([]);
    });

    it('is in no log, neither what the program prints nor what it writes to files', () => {
      const { platform } = fixture();
      const logs = filesBelow(join(platform.dataDirectory, 'logs')).filter((file) => !/kafka|postgres/.test(file));
      expect(logs.length).toBeGreaterThan(0);
      expect(findIn({ output: platform.output(), ...Object.fromEntries(logs.map((file) => [file, readFileSync(file, 'utf8')])) })).toEqual([]);
    });

    it('is in no metric', async () => {
      const origins = Object.values(fixture().platform.healthUrls ?? {}).flat();
      const texts = await Promise.all([...new Set(origins)].map(async (origin) => [origin, (await call(origin, '/metrics')).text] as const));
      expect(texts.length).toBeGreaterThan(0);
      expect(findIn(Object.fromEntries(texts))).toEqual([]);
    });

    it('is in no event, no record and no ledger entry', async () => {
      const client = new Client({ connectionString: fixture().platform.eventLog!.databaseUrl! });
      await client.connect();
      try {
        await eventually(async () => {
          const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM billing.usage_events WHERE body LIKE $1', [`%${customer.accountId}%`]);
          expect(Number(rows[0]!.count)).toBeGreaterThan(30);
        });
        const { rows: tables } = await client.query<{ name: string }>(
          `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
        );
        const found: Record<string, string> = {};
        for (const { name } of tables) {
          const { rows } = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t WHERE t::text LIKE $1 OR t::text LIKE $2 LIMIT 1`, [
            `%${CANARY}%`,
            `%${keySecret}%`,
          ]);
          if (rows[0]) found[name] = rows[0].row;
        }
        expect(findIn(found)).toEqual([]);
      } finally {
        await client.end();
      }
    });

    it('is in no error that a client is told, but for its own words that a provider quotes back to it', () => {
      expect(told.length).toBeGreaterThan(20);
      expect(told.flatMap((text) => [CREDENTIAL, keySecret].filter((secret) => text.includes(secret)))).toEqual([]);
    });
  });
}

function around(text: string, secret: string): string {
  const at = text.indexOf(secret);
  return text.slice(Math.max(0, at - 120), at + 60);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((file) => statSync(file).isFile());
}
