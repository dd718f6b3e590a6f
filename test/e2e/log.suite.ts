import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

interface Entry {
  readonly id: string;
  readonly created_at: string;
  readonly status: string;
  readonly model: string;
  readonly total_cost: number;
  readonly http_referer: string | null;
  readonly app_title: string | null;
  readonly app_categories: readonly string[];
}
interface Page {
  readonly data: readonly Entry[];
  readonly next_cursor: string | null;
}

/** The log of single requests, and what apps are known by. */
export function logSuite(fixture: () => Fixture): void {
  describe('the log of requests', () => {
    let customer: Customer;
    let second: { secret: string; hash: string };
    /** In the order of their sending. */
    const ids: Record<'plain' | 'thought' | 'failed' | 'formula', string> = { plain: '', thought: '', failed: '', formula: '' };

    const ask = async (key: string, body: object, headers: Record<string, string> = {}) => {
      const answer = await call(fixture().platform.baseUrl, '/chat/completions', {
        key,
        body: { model: MODELS.writer, messages: [{ role: 'user', content: 'say 2 words' }], ...body },
        headers,
      });
      return String(answer.headers['x-generation-id']);
    };
    const logs = async (query: string) => (await customer.manage<Page>(`/logs${query}`)).body;
    const idsOf = async (query: string) => (await logs(query)).data.map((entry) => entry.id);

    beforeAll(async () => {
      customer = await Customer.create(fixture().platform, '1');
      second = await customer.newKey({});
      ids.plain = await ask(customer.apiKey, { user: 'ann', provider: { only: ['alpha'] } }, { 'http-referer': 'https://app.example', 'x-title': 'App' });
      ids.thought = await ask(second.secret, { model: MODELS.thinker, user: 'bob', session_id: 'session-1' });
      const { faults } = fixture().upstreams['beta']!;
      faults.add({ kind: 'server_error', share: 1, seed: 1, delayMs: 0, afterWords: 0 });
      ids.failed = await ask(customer.apiKey, { user: 'ann', provider: { only: ['beta'] } });
      faults.clear();
      ids.formula = await ask(customer.apiKey, { user: '=1+1,"x"', provider: { only: ['alpha'] } });
      await eventually(async () => expect(await idsOf('')).toHaveLength(4));
    });
    afterAll(() => customer.close());

    it('is newest first, and each filter narrows it', async () => {
      expect(await idsOf('')).toEqual([ids.formula, ids.failed, ids.thought, ids.plain]);
      const ownHash = (await logs('')).data.length > 0 ? second.hash : '';
      const expectations: [string, string[]][] = [
        [`?key=${ownHash}`, [ids.thought]],
        [`?model=${MODELS.thinker}`, [ids.thought]],
        ['?provider=alpha', [ids.formula, ids.plain]],
        ['?app=https://app.example', [ids.plain]],
        ['?app=App', [ids.plain]],
        ['?user=ann', [ids.failed, ids.plain]],
        ['?session_id=session-1', [ids.thought]],
        ['?status=upstream_failed', [ids.failed]],
        ['?status=completed&user=ann', [ids.plain]],
        ['?user=nobody', []],
      ];
      for (const [query, expected] of expectations) expect([query, await idsOf(query)]).toEqual([query, expected]);
    });

    it('can be limited to a time, its start included and its end not', async () => {
      const { data } = await logs('');
      const thoughtAt = data.find((entry) => entry.id === ids.thought)!.created_at;
      const from = await idsOf(`?start=${encodeURIComponent(thoughtAt)}`);
      const until = await idsOf(`?end=${encodeURIComponent(thoughtAt)}`);
      expect(from).toContain(ids.thought);
      expect([...from, ...until]).toEqual([ids.formula, ids.failed, ids.thought, ids.plain]);
      expect((await customer.manage('/logs?start=yesterday')).status).toBe(400);
    });

    it('is read page by page to its end', async () => {
      const seen: string[] = [];
      let cursor = '';
      do {
        const page = await logs(`?limit=1${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
        expect(page.data.length).toBeLessThanOrEqual(1);
        seen.push(...page.data.map((entry) => entry.id));
        cursor = page.next_cursor ?? '';
      } while (cursor !== '' && seen.length < 10);
      expect(seen).toEqual([ids.formula, ids.failed, ids.thought, ids.plain]);
      expect((await customer.manage('/logs?cursor=nonsense')).status).toBe(400);
    });

    it('comes as CSV that a spreadsheet takes as text', async () => {
      const csv = await customer.manage('/logs?format=csv');
      expect(csv.headers['content-type']).toContain('text/csv');
      const lines = csv.text.split('\r\n');
      expect(lines[0]!.split(',').slice(0, 3)).toEqual(['created_at', 'id', 'status']);
      expect(lines.slice(1, -1).map((line) => line.split(',')[1])).toEqual([ids.formula, ids.failed, ids.thought, ids.plain]);
      expect(csv.text).toContain(`"'=1+1,""x"""`);
      expect((await customer.manage('/logs', { headers: { accept: 'text/csv' } })).text).toBe(csv.text);
    });

    it('shows an inference key its own requests alone, and another account none', async () => {
      const own = await call<Page>(fixture().platform.baseUrl, `/logs?key=${'0'.repeat(64)}`, { key: second.secret });
      expect(own.body.data.map((entry) => entry.id)).toEqual([ids.thought]);
      const stranger = await Customer.create(fixture().platform, '1');
      try {
        expect((await stranger.manage<Page>('/logs')).body.data).toEqual([]);
        expect((await stranger.call(`/generation?id=${ids.plain}`)).status).toBe(404);
      } finally {
        stranger.close();
      }
    });

    it.each([
      ['a referer and a title', { 'http-referer': 'https://one.example/x', 'x-openrouter-title': 'One' }, ['https://one.example/x', 'One', []]],
      ['the older header for the title', { 'http-referer': 'https://two.example', 'x-title': 'Two' }, ['https://two.example', 'Two', []]],
      [
        'no third category, nor one that nobody knows',
        { 'http-referer': 'https://three.example', 'x-openrouter-categories': 'unheard-of, cli-agent, Game, legal' },
        ['https://three.example', null, ['cli-agent', 'game']],
      ],
      ['no machine of a developer without a title', { 'http-referer': 'http://localhost:3000' }, [null, null, []]],
      ['a machine of a developer with one', { 'http-referer': 'http://localhost:3000', 'x-title': 'Mine' }, ['http://localhost:3000', 'Mine', []]],
    ])('knows apps by %s [X08]', async (_name, headers, [referer, title, categories]) => {
      const id = await ask(customer.apiKey, {}, headers as Record<string, string>);
      await eventually(async () => {
        const { body } = await customer.call<{ data: Entry }>(`/generation?id=${id}`);
        expect(body.data).toMatchObject({ http_referer: referer, app_title: title, app_categories: categories });
      });
    });
  });
}
