import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spendResponseSchema, statementResponseSchema, type PublicSpend } from '@switchyard/api';
import { DAY_MS, usdToPico } from '@switchyard/core';
import { call, Customer, eventsOf, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';

interface Answer {
  readonly id: string;
  readonly usage: { readonly cost: number; readonly prompt_tokens: number; readonly completion_tokens: number };
}
interface Request {
  readonly id: string;
  readonly costPico: bigint;
  readonly tokens: number;
  readonly key: string;
  readonly model: string;
  readonly provider: string;
  readonly app: string | null;
  readonly user: string | null;
  readonly cost_centre: string | null;
  readonly 'tag:team': string | null;
}

const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');

const sumPico = (amounts: readonly bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n);

/** What finance asks of a running platform. */
export function financeSuite(fixture: () => Fixture): void {
  describe('for finance', () => {
    let customer: Customer;
    let tagged: { secret: string; hash: string };
    let ownHash: string;
    const requests: Request[] = [];

    /** Today and the days around it, for a test that runs over midnight. */
    const period = (): string => {
      const dayOf = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 10);
      return `start=${dayOf(Date.now() - DAY_MS)}&end=${dayOf(Date.now() + 2 * DAY_MS)}&granularity=whole`;
    };
    const month = (): string => new Date().toISOString().slice(0, 7);
    const spend = async (query: string): Promise<PublicSpend> => spendResponseSchema.parse((await customer.manage(`/finance/spend?${period()}&${query}`)).body);

    type Asked = Partial<Pick<Request, 'user' | 'app' | 'cost_centre' | 'tag:team'>>;
    async function ask(key: 'own' | 'tagged', model: string, provider: string, asked: Asked & { readonly stream?: boolean }): Promise<void> {
      const { user = null, app = null, cost_centre = null, stream = false } = asked;
      const team = asked['tag:team'] ?? null;
      const answer = await call<Answer>(fixture().platform.baseUrl, '/chat/completions', {
        key: key === 'own' ? customer.apiKey : tagged.secret,
        headers: app === null ? {} : { 'http-referer': app },
        body: {
          model,
          provider: { only: [provider] },
          messages: [{ role: 'user', content: 'say 4 words' }],
          stream,
          ...(user === null ? {} : { user }),
          ...(team === null ? {} : { metadata: { team, ticket: '17' } }),
        },
      });
      expect(answer.status).toBe(200);
      const { usage } = stream ? eventsOf<Answer>(answer.text).at(-1)! : answer.body;
      requests.push({
        id: String(answer.headers['x-generation-id']),
        costPico: usdToPico(String(usage.cost)),
        tokens: usage.prompt_tokens + usage.completion_tokens,
        key: key === 'own' ? ownHash : tagged.hash,
        model,
        provider,
        app,
        user,
        cost_centre,
        'tag:team': team,
      });
    }

    beforeAll(async () => {
      customer = await Customer.create(fixture().platform, '2');
      tagged = await customer.newKey({ cost_centre: 'research' });
      ownHash = createHash('sha256').update(customer.apiKey).digest('hex');
      await ask('own', MODELS.writer, 'alpha', { user: 'ann', app: 'https://app.example', 'tag:team': 'red' });
      await ask('own', MODELS.writer, 'beta', { user: 'ann', 'tag:team': 'blue', stream: true });
      await ask('tagged', MODELS.writer, 'alpha', { user: 'bob', 'tag:team': 'red', cost_centre: 'research', stream: true });
      await ask('tagged', MODELS.thinker, 'anthropic-sim', { app: 'https://app.example', cost_centre: 'research' });
      await ask('own', MODELS.seer, 'gemini-sim', {});
      await eventually(async () => expect((await spend('')).total.requests).toBe(requests.length));
    });
    afterAll(() => customer.close());

    it.each(['key', 'model', 'provider', 'app', 'user', 'cost_centre', 'tag:team'] as const)(
      'spend by %s is what the answers said, to the last digit',
      async (dimension) => {
        const { data, total } = await spend(`group_by=${dimension}`);
        expect(BigInt(total.charge_pico)).toBe(sumPico(requests.map(({ costPico }) => costPico)));
        const expected = new Map<string | null, bigint>();
        for (const request of requests) expected.set(request[dimension], (expected.get(request[dimension]) ?? 0n) + request.costPico);
        expect(new Map(data.map((row) => [row.group[dimension], BigInt(row.charge_pico)]))).toEqual(expected);
        expect(data.every((row) => usdToPico(row.charge_usd) === BigInt(row.charge_pico))).toBe(true);
      },
    );

    it('spend per day and month, and its tokens, come to the same', async () => {
      for (const granularity of ['day', 'month']) {
        const { body } = await customer.manage(`/finance/spend?${period().replace('whole', granularity)}&group_by=model,user`);
        const { data, total } = spendResponseSchema.parse(body);
        expect(sumPico(data.map((row) => BigInt(row.charge_pico)))).toBe(sumPico(requests.map(({ costPico }) => costPico)));
        expect(total.prompt_tokens + total.completion_tokens).toBe(requests.reduce((sum, { tokens }) => sum + tokens, 0));
      }
    });

    it('spend comes as CSV with the same figures', async () => {
      const { text, headers } = await customer.manage(`/finance/spend?${period()}&group_by=provider&format=csv`);
      expect(headers['content-type']).toContain('text/csv');
      const [header = '', ...lines] = text.trimEnd().split('\r\n');
      const column = header.split(',').indexOf('charge_pico');
      expect(sumPico(lines.map((line) => BigInt(line.split(',')[column]!)))).toBe(sumPico(requests.map(({ costPico }) => costPico)));
    });

    it("a key's new cost centre holds for what follows, within two seconds, and not for what was before", async () => {
      const centreOf = async (id: string) => {
        const { body } = await eventually(async () => {
          const answer = await customer.manage<{ data: { request: { costCentre?: string } } }>(`/finance/explain?id=${id}`);
          expect(answer.body.data?.request).toBeDefined();
          return answer;
        });
        return body.data.request.costCentre ?? null;
      };
      const changed = await customer.manage<{ data: { cost_centre: string } }>(`/keys/${tagged.hash}`, { method: 'PATCH', body: { cost_centre: 'sales' } });
      expect(changed.body.data.cost_centre).toBe('sales');
      const changedAtMs = Date.now();
      for (let centre: string | null = null; centre !== 'sales';) {
        const askedAfterMs = Date.now() - changedAtMs;
        await ask('tagged', MODELS.writer, 'alpha', {});
        const request = requests.pop()!;
        centre = await centreOf(request.id);
        if (centre !== 'sales') expect(askedAfterMs).toBeLessThan(2_000);
        requests.push({ ...request, cost_centre: centre });
      }
      const { data } = await spend('group_by=cost_centre');
      for (const cost_centre of ['research', 'sales']) {
        const charged = sumPico(requests.filter((request) => request.cost_centre === cost_centre).map(({ costPico }) => costPico));
        expect(data.find(({ group }) => group['cost_centre'] === cost_centre)?.charge_pico).toBe(charged.toString());
      }
    });

    it('the statement of the month reconciles with credits and ledger', async () => {
      const { data: statement } = statementResponseSchema.parse((await customer.manage(`/finance/statement?month=${month()}`)).body);
      const charged = sumPico(requests.map(({ costPico }) => costPico));
      expect(statement).toMatchObject({ granted_usd: '2', bought_usd: '0', charged_pico: charged.toString(), is_provisional: true, differences: [] });
      expect(BigInt(statement.opening.balance_pico) + BigInt(statement.granted_pico) - charged).toBe(BigInt(statement.closing.balance_pico));
      expect(sumPico(statement.by_key.map((line) => BigInt(line.charge_pico)))).toBe(charged);
      expect(sumPico(statement.by_model.map((line) => BigInt(line.charge_pico)))).toBe(charged);
      const credits = (await customer.manage<{ data: { total_credits: number; total_usage: number } }>('/credits')).body.data;
      expect(usdToPico(String(credits.total_credits)) - usdToPico(String(credits.total_usage))).toBe(BigInt(statement.closing.balance_pico));
    });

    it('every charge is explained, in words and as JSON, to its own account alone', async () => {
      const [request] = requests;
      const { body } = await customer.manage<{ data: Record<string, unknown> }>(`/finance/explain?id=${request!.id}`);
      expect(body.data).toMatchObject({ generationId: request!.id, chargePico: request!.costPico.toString(), keyName: 'first', flagsExplained: {} });
      const { text } = await customer.manage(`/finance/explain?id=${request!.id}&format=text`);
      for (const part of [MODELS.writer, 'team=red', 'https://app.example', ' × ', 'reserved', 'Lease ', 'Attempt ', 'debit', 'margin'])
        expect(text).toContain(part);
      const stranger = await call(fixture().platform.baseUrl, `/finance/explain?id=${request!.id}`, { key: fixture().platform.managementKey });
      expect(stranger.status).toBe(404);
    });

    it.each(['/finance/spend?start=2026-01-01&end=2026-01-02', '/finance/statement?month=2026-01', '/finance/explain?id=x'])(
      '%s is not for inference keys',
      async (path) => {
        expect((await customer.call(path)).status).toBe(403);
      },
    );

    /** The program beside the running platform, as an operator starts it. */
    const run = (...commandArguments: string[]) =>
      new Promise<{ exitCode: number; output: string }>((done) => {
        const environment = { PATH: process.env['PATH'] ?? '', SWITCHYARD_BILLING_ADDRESS: String(fixture().platform.grpcAddresses?.['billing']) };
        execFile(process.execPath, [PROGRAM, ...commandArguments], { env: environment }, (error, stdout, stderr) =>
          done({ exitCode: typeof error?.code === 'number' ? error.code : 0, output: `${stdout}${stderr}` }),
        );
      });

    it('operators explain, verify and state on the command line', async () => {
      const explained = await run('ledger', 'explain', requests[0]!.id);
      expect(explained).toMatchObject({ exitCode: 0, output: expect.stringContaining('margin') });
      expect(await run('ledger', 'verify')).toMatchObject({
        exitCode: 0,
        output: expect.stringMatching(/charged by events: [\d.]+ USD[\s\S]*no differences\.\n$/),
      });
      const stated = await run('statement', customer.accountId, month());
      expect(stated).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^Statement of Customer .*\n[\s\S]*Closing balance/) });
      expect(await run('statement', 'nobody', month())).toMatchObject({ exitCode: 1, output: expect.stringContaining('no such account') });
    }, 180_000);
  });
}
