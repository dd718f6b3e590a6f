import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, eventsOf, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cost: number;
}
interface Answer {
  readonly id: string;
  readonly usage: Usage;
}
interface ErrorBody {
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly metadata: { readonly error_type: string; readonly scope?: string; readonly requested_tokens?: number; readonly affordable_tokens?: number };
  };
}
interface Record_ {
  readonly data: { readonly id: string; readonly total_cost: number; readonly usage: number; readonly status: string; readonly cancelled: boolean };
}
interface Credits {
  readonly data: { readonly total_credits: number; readonly total_usage: number };
}

const picoOf = (usd: number) => BigInt(Math.round(usd * 1e12));
const sumPico = (amounts: readonly bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n);

/** Keys, money and what they agree on. */
export function moneySuite(fixture: () => Fixture): void {
  const body = (extra: object = {}) => ({ model: MODELS.writer, messages: [{ role: 'user', content: 'say 5 words' }], ...extra });
  const beta = { provider: { only: ['beta'] } };
  const customers: Customer[] = [];
  const newCustomer = async (creditUsd: string) => {
    const customer = await Customer.create(fixture().platform, creditUsd);
    customers.push(customer);
    return customer;
  };
  afterAll(() => {
    for (const customer of customers) customer.close();
  });

  describe('a key', () => {
    const status = async (secret: string) => (await call(fixture().platform.baseUrl, '/chat/completions', { key: secret, body: body() })).status;
    const within2s = { timeoutMs: 2_000 };

    it('that is disabled is refused within two seconds, and serves again when it is enabled [K03]', async () => {
      const customer = await newCustomer('1');
      const key = await customer.newKey({});
      expect(await status(key.secret)).toBe(200);
      await customer.manage(`/keys/${key.hash}`, { method: 'PATCH', body: { disabled: true } });
      const refused = await eventually(async () => {
        const answer = await call<ErrorBody>(fixture().platform.baseUrl, '/chat/completions', { key: key.secret, body: body() });
        expect(answer.status).toBe(401);
        return answer;
      }, within2s);
      expect(refused.body.error).toMatchObject({ code: 401, metadata: { error_type: 'authentication' } });
      expect(refused.text).not.toContain(key.secret);
      await customer.manage(`/keys/${key.hash}`, { method: 'PATCH', body: { disabled: false } });
      await eventually(async () => expect(await status(key.secret)).toBe(200), within2s);
    });

    it('ends at its expiry and with its deletion, for management routes too [K03]', async () => {
      const customer = await newCustomer('1');
      const deleted = await customer.newKey({});
      expect(await status(deleted.secret)).toBe(200);
      const expiresAt = Date.now() + 5_000;
      const passing = await customer.newKey({ expires_at: new Date(expiresAt).toISOString() });
      expect(await status(passing.secret)).toBe(200);
      await customer.manage(`/keys/${deleted.hash}`, { method: 'DELETE' });
      await eventually(async () => expect(await status(deleted.secret)).toBe(401), within2s);
      await eventually(async () => expect(await status(passing.secret)).toBe(401), { timeoutMs: 15_000 });
      expect(Date.now()).toBeGreaterThanOrEqual(expiresAt);
      expect((await call(fixture().platform.baseUrl, '/key', { key: passing.secret })).status).toBe(401);
    });
  });

  describe('too little credit', () => {
    it('names how many tokens were asked for and how many fit, and exactly those fit [E04]', async () => {
      const customer = await newCustomer('0.01');
      const ask = (maxTokens: number) => customer.call<ErrorBody>('/chat/completions', { body: body({ max_tokens: maxTokens }) });
      const refused = await ask(8_000);
      expect(refused.status).toBe(402);
      const { message, metadata } = refused.body.error;
      expect(metadata).toMatchObject({ error_type: 'payment_required', scope: 'account_credit', requested_tokens: 8_000 });
      const affordable = metadata.affordable_tokens!;
      expect(message).toContain(`You requested up to 8000 tokens, but can only afford ${affordable}.`);
      // 0.01 USD at 2 USD for a million tokens, less the prompt: the cheapest provider counts, not the last one tried.
      expect(affordable).toBeGreaterThan(4_800);
      expect(affordable).toBeLessThan(5_000);
      expect((await ask(affordable + 1)).status).toBe(402);
      expect((await ask(affordable)).status).toBe(200);
    });

    it('lowers the cap of a request that names none instead of refusing it', async () => {
      const customer = await newCustomer('0.001');
      const answer = await customer.call<Answer>('/chat/completions', { body: body({ provider: { only: ['alpha'] } }) });
      expect(answer.status).toBe(200);
      const sent = fixture().upstreams['alpha']!.lastBody() as { max_tokens?: number; max_completion_tokens?: number };
      const cap = sent.max_tokens ?? sent.max_completion_tokens ?? Number.POSITIVE_INFINITY;
      expect(cap).toBeGreaterThanOrEqual(16);
      expect(cap).toBeLessThanOrEqual(500);
    });

    it('refuses a key that has used its limit up with 402, never with an error of authentication, and raising the limit helps [K02]', async () => {
      const customer = await newCustomer('1');
      const key = await customer.newKey({ limit: 0.001 });
      const ask = () => call<ErrorBody & Answer>(fixture().platform.baseUrl, '/chat/completions', { key: key.secret, body: body({ max_tokens: 60 }) });
      const paid: bigint[] = [];
      let answer = await ask();
      for (; answer.status === 200 && paid.length < 200; answer = await ask()) paid.push(picoOf(answer.body.usage.cost));
      expect(paid.length).toBeGreaterThan(3);
      expect(answer.body.error).toMatchObject({ code: 402, metadata: { error_type: 'payment_required', scope: 'key_limit' } });
      expect(sumPico(paid)).toBeLessThanOrEqual(picoOf(0.001));
      const { body: shown } = await eventually(async () => {
        const read = await customer.manage<{ data: { usage: number; limit: number; limit_remaining: number } }>(`/keys/${key.hash}`);
        expect(picoOf(read.body.data.usage)).toBe(sumPico(paid));
        return read;
      });
      expect(picoOf(shown.data.limit_remaining)).toBe(picoOf(0.001) - sumPico(paid));
      await customer.manage(`/keys/${key.hash}`, { method: 'PATCH', body: { limit: 0.01 } });
      await eventually(async () => expect((await ask()).status).toBe(200), { timeoutMs: 2_000 });
    });
  });

  describe('a limit', () => {
    it('is never passed, however many requests come at once [K02]', async () => {
      const customer = await newCustomer('1');
      const key = await customer.newKey({ limit: 0.002 });
      const ask = () => call<Answer>(fixture().platform.baseUrl, '/chat/completions', { key: key.secret, body: body({ max_tokens: 60 }) });
      const answers = (await Promise.all(Array.from({ length: 6 }, () => Promise.all(Array.from({ length: 40 }, ask))))).flat();
      const paid = answers.filter((answer) => answer.status === 200).map((answer) => picoOf(answer.body.usage.cost));
      expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200, 402]));
      expect(paid.length).toBeGreaterThan(5);
      expect(sumPico(paid)).toBeLessThanOrEqual(picoOf(0.002));
      await eventually(async () => {
        const { body: shown } = await customer.manage<{ data: { usage: number } }>(`/keys/${key.hash}`);
        expect(picoOf(shown.data.usage)).toBe(sumPico(paid));
      });
    });

    it('leaves enough for a fallback: what failed holds no money [C14]', async () => {
      const customer = await newCustomer('0.0011');
      const { faults } = fixture().upstreams['alpha']!;
      faults.add({ kind: 'rate_limit', share: 1, seed: 1, delayMs: 0, afterWords: 0 });
      const answer = await customer.call<Answer & { provider: string }>('/chat/completions', {
        body: body({ max_tokens: 60, provider: { order: ['alpha', 'beta'] } }),
      });
      faults.clear();
      expect([answer.status, answer.body.provider]).toEqual([200, 'Beta']);
    });
  });

  describe('the books', () => {
    let customer: Customer;
    beforeAll(async () => {
      customer = await newCustomer('1');
    });
    const credits = async () => (await customer.manage<Credits>('/credits')).body.data;
    const recordOf = (id: string) =>
      eventually(async () => {
        const record = await customer.call<Record_>(`/generation?id=${id}`);
        expect(record.status).toBe(200);
        return record.body.data;
      });

    it('agree to the last digit: answer, generation, key, credits and ledger [K06]', async () => {
      const costs = new Map<string, bigint>();
      for (const extra of [{}, { model: MODELS.thinker }, { model: MODELS.seer }, { provider: { only: ['beta'] } }, { max_tokens: 3 }]) {
        const whole = await customer.call<Answer>('/chat/completions', { body: body(extra) });
        costs.set(whole.body.id, picoOf(whole.body.usage.cost));
        const streamed = await customer.call('/chat/completions', { body: body({ ...extra, stream: true }) });
        costs.set(String(streamed.headers['x-generation-id']), picoOf(eventsOf<{ usage?: Usage }>(streamed.text).at(-1)!.usage!.cost));
      }
      const embedded = await customer.call<{ usage: Usage }>('/embeddings', { body: { model: MODELS.embedder, input: ['one', 'two'] } });
      costs.set(String(embedded.headers['x-generation-id']), picoOf(embedded.body.usage.cost));
      const total = sumPico([...costs.values()]);
      expect([...costs.values()].every((cost) => cost > 0n)).toBe(true);

      await eventually(async () => expect(picoOf((await credits()).total_usage)).toBe(total));
      const key = await customer.call<{ data: { usage: number; usage_daily: number } }>('/key');
      expect([picoOf(key.body.data.usage), picoOf(key.body.data.usage_daily)]).toEqual([total, total]);
      for (const [id, cost] of costs) {
        expect(picoOf((await recordOf(id)).total_cost)).toBe(cost);
        const { chargePico, postings } = await customer.explain(id);
        expect(BigInt(chargePico)).toBe(cost);
        for (const { entries } of postings) {
          const balance = entries.map(({ side, amountPico }) => (side === 'debit' ? BigInt(amountPico) : -BigInt(amountPico)));
          expect(sumPico(balance)).toBe(0n);
        }
        expect(postings.some(({ entries }) => entries.some(({ amountPico }) => BigInt(amountPico) === cost))).toBe(true);
      }
      expect(await customer.verifyLedger()).toEqual([]);
    });

    const withFault = async <Result>(fault: object, run: () => Promise<Result>): Promise<Result> => {
      const { faults } = fixture().upstreams['beta']!;
      faults.add({ share: 1, seed: 1, delayMs: 0, afterWords: 3, ...fault } as Parameters<typeof faults.add>[0]);
      try {
        return await run();
      } finally {
        faults.clear();
      }
    };

    it('show nothing owed for a request that failed', async () => {
      const before = (await credits()).total_usage;
      const failed = await withFault({ kind: 'server_error' }, () => customer.call<ErrorBody>('/chat/completions', { body: body(beta) }));
      expect(failed.status).toBe(502);
      expect(await recordOf(String(failed.headers['x-generation-id']))).toMatchObject({ total_cost: 0, status: 'upstream_failed' });
      expect((await credits()).total_usage).toBe(before);
    });

    /** Sends a request to a provider that waits, leaves when it has arrived there, and gives its record. */
    async function abandon(stream: boolean): Promise<Record_['data']> {
      const upstream = fixture().upstreams['beta']!;
      const { requests } = upstream.counts;
      const user = `abandoned-${stream}`;
      const abort = new AbortController();
      // Whoever leaves has to be heard of before the provider answers; who does not wait for a whole answer leaves us to.
      await withFault({ kind: 'delay', delayMs: stream ? 30_000 : 700 }, async () => {
        const left = customer.call('/chat/completions', { body: body({ ...beta, stream, user }), signal: abort.signal }).catch(() => undefined);
        await eventually(() => expect(upstream.counts.requests).toBe(requests + 1));
        abort.abort();
        await left;
      });
      return eventually(async () => {
        const log = await customer.call<{ data: Record_['data'][] }>(`/logs?user=${user}`);
        expect(log.body.data).toHaveLength(1);
        return log.body.data[0]!;
      });
    }

    it('show nothing owed for a stream that its client left before anything came, and its upstream ends', async () => {
      const { aborted } = fixture().upstreams['beta']!.counts;
      expect(await abandon(true)).toMatchObject({ status: 'client_aborted', cancelled: true, total_cost: 0 });
      expect(fixture().upstreams['beta']!.counts.aborted).toBe(aborted + 1);
    });

    it('show the whole charge of a whole answer that its client did not wait for', async () => {
      const record = await abandon(false);
      expect(record).toMatchObject({ status: 'completed', cancelled: false });
      expect(record.total_cost).toBeGreaterThan(0);
    });
  });
}
