import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { explanationResponseSchema, spendResponseSchema, statementResponseSchema } from '@switchyard/api';
import { billing } from '@switchyard/proto';
import { captureLogger, eventually, manualClock } from '@switchyard/testing';
import { FAKE_NOW_MS, INFERENCE_SECRET, managementFakes, MANAGEMENT_SECRET, type ManagementFakes } from '../../fixtures/management-fakes.js';
import { ManagementModule, prepareManagement } from '../management.module.js';

const OCTOBER = { start: Date.UTC(2026, 9, 1), end: Date.UTC(2026, 10, 1) };

describe('the finance routes', () => {
  const logger = captureLogger();
  let fakes: ManagementFakes;
  let application: NestFastifyApplication;
  let origin: string;

  beforeAll(async () => {
    fakes = managementFakes(manualClock(FAKE_NOW_MS), logger);
    const adapter = new FastifyAdapter();
    prepareManagement(adapter);
    const options = { logger: false, abortOnError: false, bodyParser: false } as const;
    application = await NestFactory.create<NestFastifyApplication>(ManagementModule.register(fakes.options), adapter, options);
    await application.listen(0, '127.0.0.1');
    origin = await application.getUrl();
    fakes.ledger.spend = billing.ListSpendResponse.fromPartial({
      rows: [
        {
          periodStartMs: BigInt(OCTOBER.start),
          periodEndMs: BigInt(OCTOBER.end),
          group: ['k1', '=cmd'],
          sums: {
            chargePico: 9_007_199_254_740_993n,
            requestCount: 2n,
            promptTokenCount: 10n,
            completionTokenCount: 5n,
            reasoningTokenCount: 1n,
            cachedTokenCount: 3n,
          },
        },
        { periodStartMs: BigInt(OCTOBER.start), periodEndMs: BigInt(OCTOBER.end), group: ['k2', ''], sums: { chargePico: 7n, requestCount: 1n } },
      ],
      total: { chargePico: 9_007_199_254_741_000n, requestCount: 3n },
      keys: [{ hash: 'k1', name: 'first', label: 'sk-sy-v1-...abcd' }],
      nextCursor: 'more',
    });
    fakes.ledger.statement = billing.Statement.fromPartial({
      accountId: 'acme',
      accountName: 'Acme',
      periodStartMs: BigInt(OCTOBER.start),
      periodEndMs: BigInt(OCTOBER.end),
      opening: { creditsPico: 5_000_000_000_000n },
      closing: { creditsPico: 0n, receivablePico: 1_000_000_000_000n },
      boughtPico: 4_000_000_000_000n,
      grantedPico: 1n,
      chargedPico: 10_000_000_000_001n,
      receivableArisenPico: 1_000_000_000_000n,
      requestCount: 3n,
      byKey: [{ id: 'k1', name: 'first', requestCount: 3n, chargedPico: 10_000_000_000_001n }],
      byModel: [
        { id: 'acme/large', name: 'acme/large', requestCount: 2n, chargedPico: 10_000_000_000_000n },
        { id: '', name: '', requestCount: 1n, chargedPico: 1n },
      ],
      entries: [{ timeMs: BigInt(OCTOBER.start), kind: 'credit_grant', description: 'top-up, October', amountPico: 4_000_000_000_000n, transactionId: 't' }],
      entryCount: 1n,
      createTimeMs: BigInt(FAKE_NOW_MS),
    });
  });
  afterAll(() => application.close());

  const get = (path: string, secret = MANAGEMENT_SECRET, headers: Record<string, string> = {}) =>
    fetch(`${origin}/api/v1/finance${path}`, { headers: { authorization: `Bearer ${secret}`, ...headers } });
  const SPEND = '/spend?start=2026-10-01&end=2026-11-01&granularity=month';

  it.each([SPEND, '/statement?month=2026-10', '/explain?id=gen-1'])('%s is for management keys alone', async (path) => {
    expect((await get(path)).status).toBe(200);
    expect((await get(path, INFERENCE_SECRET)).status).toBe(403);
    expect((await get(path, 'sk-sy-v1-unknown')).status).toBe(401);
  });

  it("asks for spend of the key's own account, grouped and filtered as the query says", async () => {
    await get(`${SPEND}&group_by=key,tag:team&model=acme/large&tag=cost:centre:7&tag=team:red,+blue&limit=2&cursor=abc`);
    expect(fakes.ledger.asked.at(-1)).toEqual({
      accountId: 'acme',
      startTimeMs: BigInt(OCTOBER.start),
      endTimeMs: BigInt(OCTOBER.end),
      granularity: billing.SpendGranularity.MONTH,
      groupBy: ['key', 'tag:team'],
      filters: [
        { dimension: 'model', value: 'acme/large' },
        { dimension: 'tag:cost', value: 'centre:7' },
        { dimension: 'tag:team', value: 'red, blue' },
      ],
      limit: 2,
      cursor: 'abc',
    });
  });

  it('tells spend exactly, as text, in the shape that the API description promises', async () => {
    const body = spendResponseSchema.parse(await (await get(`${SPEND}&group_by=key,tag:team`)).json());
    expect(body).toMatchObject({ next_cursor: 'more', total: { charge_usd: '9007.199254741', charge_pico: '9007199254741000', requests: 3 } });
    expect(body.data).toEqual([
      {
        charge_period_start: '2026-10-01T00:00:00.000Z',
        charge_period_end: '2026-11-01T00:00:00.000Z',
        billing_account_id: 'acme',
        billing_currency: 'USD',
        group: { key: 'k1', 'tag:team': '=cmd' },
        key_name: 'first',
        key_label: 'sk-sy-v1-...abcd',
        requests: 2,
        prompt_tokens: 10,
        completion_tokens: 5,
        reasoning_tokens: 1,
        cached_tokens: 3,
        charge_usd: '9007.199254740993',
        charge_pico: '9007199254740993',
      },
      expect.objectContaining({ group: { key: 'k2', 'tag:team': null }, charge_usd: '0.000000000007' }),
    ]);
  });

  it.each<[string, string, Record<string, string>]>([
    ['by the query', '&format=csv', {}],
    ['by the Accept header', '', { accept: 'text/csv' }],
  ])('gives spend as CSV, asked for %s, with nothing that a spreadsheet would run', async (_, query, headers) => {
    const response = await get(`${SPEND}&group_by=key,tag:team${query}`, MANAGEMENT_SECRET, headers);
    expect([response.headers.get('content-type'), response.headers.get('x-next-cursor')]).toEqual(['text/csv; charset=utf-8', 'more']);
    expect((await response.text()).split('\r\n')).toEqual([
      'charge_period_start,charge_period_end,billing_account_id,billing_currency,key,tag:team,key_name,key_label,requests,prompt_tokens,completion_tokens,reasoning_tokens,cached_tokens,charge_usd,charge_pico',
      "2026-10-01T00:00:00.000Z,2026-11-01T00:00:00.000Z,acme,USD,k1,'=cmd,first,sk-sy-v1-...abcd,2,10,5,1,3,9007.199254740993,9007199254740993",
      '2026-10-01T00:00:00.000Z,2026-11-01T00:00:00.000Z,acme,USD,k2,,,,1,0,0,0,0,0.000000000007,7',
      '',
    ]);
  });

  it.each([
    '/spend',
    '/spend?start=2026-10-01',
    '/spend?start=2026-10-01T12:00:00Z&end=2026-11-01',
    '/spend?start=2026-02-01&end=2026-02-30',
    '/spend?start=2026-02-29&end=2026-04-01',
    `${SPEND}&granularity=hour`,
    `${SPEND}&limit=0`,
    `${SPEND}&limit=10001`,
    `${SPEND}&tag=team`,
    `${SPEND}${'&tag=team:red'.repeat(6)}`,
    `${SPEND}&user=ann&user=bob`,
    `${SPEND}&format=xml`,
    `${SPEND}&cost_center=cc-1`,
    '/statement',
    '/statement?month=2026-13',
    '/statement?month=october',
    '/explain',
  ])('refuses %s with the typed error', async (path) => {
    const response = await get(path);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 400, metadata: { error_type: 'invalid_request' } } });
  });

  it('gives a statement as JSON, as CSV and for reading', async () => {
    const { data } = statementResponseSchema.parse(await (await get('/statement?month=2026-10')).json());
    expect(data).toMatchObject({
      month: '2026-10',
      opening: { balance_usd: '5' },
      bought_usd: '4',
      granted_pico: '1',
      charged_usd: '10.000000000001',
      adjusted_usd: '0',
      closing: { credits_usd: '0', receivable_usd: '1', balance_usd: '-1' },
      by_model: [{ model: 'acme/large' }, { model: null, charge_pico: '1' }],
    });
    const csv = (await (await get('/statement?month=2026-10&format=csv')).text()).split('\r\n');
    expect(csv[0]).toBe('month,billing_account_id,section,item,name,time,requests,amount_usd,amount_pico');
    expect(csv).toContain('2026-10,acme,movement,charged,,,3,-10.000000000001,-10000000000001');
    expect(csv).toContain('2026-10,acme,entry,credit_grant,"top-up, October",2026-10-01T00:00:00.000Z,,4,4000000000000');
    expect(csv).toContain('2026-10,acme,model,(other),,,1,0.000000000001,1');
    const text = await (await get('/statement?month=2026-10&format=text')).text();
    expect(text).toMatch(/^Statement of Acme \(acme\) for 2026-10\n/);
    expect(text).toMatch(/Closing balance +-1 USD/);
    expect(text).toMatch(/became owed +1 USD/);
  });

  it('shows in every form that a statement is provisional, does not reconcile, and lists not all entries', async () => {
    const whole = fakes.ledger.statement!;
    fakes.ledger.statement = { ...whole, entryCount: 3n, boughtPico: 4_500_000_000_000n, isProvisional: true, differences: ['=one, two'] };
    try {
      const csv = (await (await get('/statement?month=2026-10&format=csv')).text()).split('\r\n');
      expect(csv).toContain('2026-10,acme,status,provisional,,2026-06-01T12:00:00.000Z,,,');
      expect(csv).toContain(`2026-10,acme,difference,"'=one, two",,,,,`);
      expect(csv).toContain('2026-10,acme,entry,(other),,,,0.500000000001,500000000001');
      const text = await (await get('/statement?month=2026-10&format=text')).text();
      expect(text).toContain('Provisional: ');
      expect(text).toMatch(/\n {2}2 more +0\.500000000001 USD\n/);
      expect(text).toContain('Does not reconcile\n=one, two\n');
    } finally {
      fakes.ledger.statement = whole;
    }
    const csv = (await (await get('/statement?month=2026-10&format=csv')).text()).split('\r\n');
    expect(csv[1]).toBe('2026-10,acme,status,final,,2026-06-01T12:00:00.000Z,,,');
    expect(csv.join()).not.toMatch(/difference|entry,\(other\)/);
  });

  it.each([SPEND, '/statement?month=2026-10'])('lets nobody make the report of %s whose reader has left, and calls it no failure', async (path) => {
    fakes.ledger.isSlow = true;
    const leave = new AbortController();
    const left = expect(
      fetch(`${origin}/api/v1/finance${path}`, { headers: { authorization: `Bearer ${MANAGEMENT_SECRET}` }, signal: leave.signal }),
    ).rejects.toThrow();
    const signal = await eventually(() => fakes.ledger.signals.shift() ?? Promise.reject(new Error('not asked yet')));
    fakes.ledger.isSlow = false;
    expect(signal.aborted).toBe(false);
    leave.abort();
    await left;
    await eventually(() => expect(signal.aborted).toBe(true));
    expect((await get(path)).status).toBe(200);
    expect(logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it("explains a charge of the key's own account, as JSON or for reading", async () => {
    expect(await (await get('/explain?id=gen-1')).json()).toEqual({ data: { generationId: 'gen-1', accountId: 'acme' } });
    const text = await get('/explain?id=gen-1&format=text');
    expect([text.headers.get('content-type'), await text.text()]).toEqual(['text/plain; charset=utf-8', 'Generation gen-1\n']);
    expect((await get('/explain?id=gen-2')).status).toBe(404);
    expect(explanationResponseSchema.safeParse({ data: {} }).success).toBe(false);
  });
});
