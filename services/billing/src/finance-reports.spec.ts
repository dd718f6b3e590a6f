import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DAY_MS, newEventId } from '@switchyard/core';
import { billing, events } from '@switchyard/proto';
import { eventually, manualClock, seededRandom, type ManualClock } from '@switchyard/testing';
import type { PoolClient } from 'pg';
import type { Billing } from './billing.module.js';
import { parseSpendQuery } from './core/spend-query.js';
import { BillingFixture, consume, creditScope, USD, type Customer } from './fixtures/billing-fixture.js';
import { readSpend } from './spend.store.js';
import { readModelLines, readMovements, readStatementEntries } from './statement.store.js';

const { DAY, MONTH, UNSPECIFIED: WHOLE } = billing.SpendGranularity;
const SEPTEMBER = Date.UTC(2026, 8, 1);
const OCTOBER = Date.UTC(2026, 9, 1);
const NOVEMBER = Date.UTC(2026, 10, 1);
const DECEMBER = Date.UTC(2026, 11, 1);
const MODELS = ['acme/large', 'acme/small', 'zeta/"quoted, model"'];
const PROVIDERS = ['alpha', 'beta'];
const USERS = ['ann', 'bob', ''];
const TEAMS = ['red', 'blue', undefined];

describe('what finance asks', () => {
  let fixture: BillingFixture;
  let instance: Billing;
  let clock: ManualClock;
  let customer: Customer;
  let secondKey: string;
  let charges: events.GenerationCompleted[];

  beforeAll(async () => {
    clock = manualClock(OCTOBER + 12 * 3_600_000);
    fixture = await BillingFixture.start(clock);
    instance = await fixture.startInstance();
    customer = await fixture.createCustomer(instance, { creditPico: USD });
    const { key } = await instance.keys.createKey(billing.CreateKeyRequest.fromPartial({ accountId: customer.accountId, name: 'second', costCentre: 'cc-7' }));
    secondKey = key!.hash;
    charges = manyCharges(240);
    for (let index = 0; index < charges.length; index += 60) await consume(instance.consumer, charges.slice(index, index + 60));
    // Another account's, which must be in none of it.
    const other = await fixture.createCustomer(instance, { creditPico: USD });
    await consume(instance.consumer, [fixture.charge(other, 999n, [], { model: MODELS[0]! })]);
  }, 90_000);
  afterAll(() => fixture.close());

  /** On both sides of a month's and of a year's worth of days; the last instant of September and the first of October among them. */
  function manyCharges(count: number): events.GenerationCompleted[] {
    const { nextFloat } = seededRandom(7);
    const oneOf = <Item>(items: readonly Item[]): Item => items[Math.floor(nextFloat() * items.length)]!;
    return Array.from({ length: count }, (_, index) => {
      const acceptTimeMs = index === 0 ? OCTOBER - 1 : index === 1 ? OCTOBER : SEPTEMBER + Math.floor(nextFloat() * (NOVEMBER + 5 * DAY_MS - SEPTEMBER));
      const team = oneOf(TEAMS);
      const isSecond = nextFloat() < 0.4;
      return fixture.charge(customer, BigInt(Math.floor(nextFloat() * 3e9)), [], {
        eventId: newEventId(manualClock(acceptTimeMs), fixture.random),
        acceptTimeMs: BigInt(acceptTimeMs),
        model: oneOf(MODELS),
        providerSlug: oneOf(PROVIDERS),
        user: oneOf(USERS),
        httpReferer: nextFloat() < 0.5 ? 'https://app.example' : '',
        appTitle: 'App',
        metadata: team === undefined ? {} : { team, 'weird "name"': 'ünïcode, and more' },
        ...(isSecond ? { keyHash: secondKey, costCentre: 'cc-7' } : {}),
      });
    });
  }

  const ask = (fields: Partial<billing.ListSpendRequest> = {}, signal?: AbortSignal) =>
    instance.ledger.listSpend(
      billing.ListSpendRequest.fromPartial({
        accountId: customer.accountId,
        startTimeMs: BigInt(SEPTEMBER),
        endTimeMs: BigInt(NOVEMBER + 30 * DAY_MS),
        granularity: WHOLE,
        ...fields,
      }),
      { signal },
    );
  const sumOf = (amounts: readonly bigint[]): bigint => amounts.reduce((sum, amount) => sum + amount, 0n);
  const chargedIn = (startMs: number, endMs: number, matches: (charge: events.GenerationCompleted) => boolean = () => true): bigint =>
    sumOf(
      charges
        .filter((charge) => Number(charge.acceptTimeMs) >= startMs && Number(charge.acceptTimeMs) < endMs && matches(charge))
        .map((charge) => charge.chargePico),
    );

  /** What the ledger posted to revenue for the account's requests that were accepted in the time. */
  async function postedIn(startMs: number, endMs: number): Promise<bigint> {
    const { rows } = await fixture.pool.query<{ sum: string | null }>(
      `SELECT -sum(amount_pico) AS sum FROM ledger_transactions JOIN ledger_entries USING (transaction_id)
        WHERE account_id = $1 AND kind = 'charge' AND accept_time_ms >= $2 AND accept_time_ms < $3 AND ledger_account = 'platform:revenue:inference'`,
      [customer.accountId, startMs, endMs],
    );
    return BigInt(rows[0]!.sum ?? 0);
  }

  it.each(['key', 'workspace', 'model', 'provider', 'app', 'user', 'session', 'cost_centre', 'tag:team', 'tag:weird "name"', 'tag:nobody has it'])(
    'sums to the ledger to the pico, grouped by %s per day, month and in all',
    async (dimension) => {
      for (const granularity of [DAY, MONTH, WHOLE]) {
        const { rows, total, nextCursor } = await ask({ granularity, groupBy: [dimension] });
        const posted = await postedIn(SEPTEMBER, NOVEMBER + 30 * DAY_MS);
        expect(posted).toBeGreaterThan(0n);
        expect([sumOf(rows.map(({ sums }) => sums!.chargePico)), total!.chargePico]).toEqual([posted, posted]);
        expect(sumOf(rows.map(({ sums }) => sums!.requestCount))).toBe(BigInt(charges.length));
        expect(nextCursor).toBe('');
        for (const { periodStartMs, periodEndMs } of granularity === MONTH ? rows : []) {
          const ofMonth = rows.filter((row) => row.periodStartMs === periodStartMs).map(({ sums }) => sums!.chargePico);
          expect(sumOf(ofMonth)).toBe(await postedIn(Number(periodStartMs), Number(periodEndMs)));
        }
      }
    },
  );

  it('tells each group what its own requests came to, by what their events say', async () => {
    const { rows, keys } = await ask({ granularity: MONTH, groupBy: ['key', 'model', 'tag:team'] });
    const month = rows.filter((row) => row.periodStartMs === BigInt(OCTOBER));
    expect(month.length).toBeGreaterThan(10);
    for (const { group, sums, periodEndMs } of month) {
      expect(periodEndMs).toBe(BigInt(NOVEMBER));
      const [key, model, team] = group;
      expect(sums!.chargePico).toBe(
        chargedIn(OCTOBER, NOVEMBER, (charge) => charge.keyHash === key && charge.model === model && (charge.metadata['team'] ?? '') === team),
      );
    }
    expect(new Map(keys.map(({ hash, name }) => [hash, name]))).toEqual(
      new Map([
        [customer.keyHash, 'a key'],
        [secondKey, 'second'],
      ]),
    );
  });

  it('puts the last millisecond of a month into it, and the first of the next into the next', async () => {
    const [last, first] = charges;
    const days = (await ask({ granularity: DAY })).rows;
    const dayOf = (startMs: number) => days.find((row) => row.periodStartMs === BigInt(startMs))!.sums!.chargePico;
    expect(dayOf(OCTOBER - DAY_MS)).toBe(chargedIn(OCTOBER - DAY_MS, OCTOBER));
    expect(dayOf(OCTOBER)).toBe(chargedIn(OCTOBER, OCTOBER + DAY_MS));
    expect(dayOf(OCTOBER - DAY_MS)).toBeGreaterThanOrEqual(last!.chargePico);
    expect(dayOf(OCTOBER)).toBeGreaterThanOrEqual(first!.chargePico);
  });

  it('narrows to what is asked for, the app by its address or its title', async () => {
    const charged = async (filters: billing.SpendFilter[]) => (await ask({ filters })).total!.chargePico;
    const all = [0, Number.MAX_SAFE_INTEGER] as const;
    expect(await charged([{ dimension: 'tag:team', value: 'red' }])).toBe(chargedIn(...all, ({ metadata }) => metadata['team'] === 'red'));
    expect(await charged([{ dimension: 'tag:team', value: '' }])).toBe(chargedIn(...all, ({ metadata }) => metadata['team'] === undefined));
    expect(await charged([{ dimension: 'app', value: 'App' }])).toBe(chargedIn(...all, ({ httpReferer }) => httpReferer === ''));
    expect(
      await charged([
        { dimension: 'cost_centre', value: 'cc-7' },
        { dimension: 'model', value: MODELS[2]! },
      ]),
    ).toBe(chargedIn(...all, ({ costCentre, model }) => costCentre === 'cc-7' && model === MODELS[2]));
    expect((await ask({ filters: [{ dimension: 'user', value: "'; DROP TABLE charges" }] })).rows).toEqual([]);
  });

  it('counts tokens by the meters', async () => {
    const { accountId } = customer;
    const metered = await fixture.createCustomer(instance, { creditPico: USD });
    const meters = { input_uncached: 10, cache_read: 5, cache_write_5m: 2, output_text: 7, reasoning: 3, web_search: 9 };
    const unitPricesPico = Object.fromEntries(Object.keys(meters).map((meter) => [meter, 1n]));
    await consume(instance.consumer, [
      fixture.charge(metered, 36n, [], { usage: { meters, source: charges[0]!.usage!.source }, unitPricesPico, chargeLinesPico: {} }),
    ]);
    const { total } = await ask({ accountId: metered.accountId });
    expect(total).toEqual({
      chargePico: 36n,
      requestCount: 1n,
      promptTokenCount: 17n,
      completionTokenCount: 10n,
      reasoningTokenCount: 3n,
      cachedTokenCount: 5n,
    });
    expect(accountId).not.toBe(metered.accountId);
  });

  it('comes in pages that miss nothing and repeat nothing, each with the total of all', async () => {
    const whole = await ask({ granularity: DAY, groupBy: ['model', 'tag:team'] });
    const rows: billing.SpendRow[] = [];
    let cursor = '';
    let pageCount = 0;
    do {
      const page = await ask({ granularity: DAY, groupBy: ['model', 'tag:team'], limit: 17, cursor });
      rows.push(...page.rows);
      expect(page.total).toEqual(whole.total);
      cursor = page.nextCursor;
      pageCount++;
    } while (cursor !== '');
    expect(pageCount).toBe(Math.ceil(whole.rows.length / 17));
    expect(rows).toEqual(whole.rows);
  });

  it('ends a page early when its names grow long, and goes on behind it', async () => {
    const talkative = await fixture.createCustomer(instance, { creditPico: USD });
    const appOf = (index: number): string => `https://app.example/${String(index).padStart(4, '0')}/${'x'.repeat(1_980)}`;
    const count = 1_200;
    await consume(
      instance.consumer,
      Array.from({ length: count }, (_, index) => fixture.charge(talkative, 1n, [], { httpReferer: appOf(index) })),
    );
    const asked = { accountId: talkative.accountId, groupBy: ['app'], limit: 10_000 };
    const first = await ask(asked);
    expect(first.rows.length).toBeLessThan(count);
    const second = await ask({ ...asked, cursor: first.nextCursor });
    expect([...first.rows, ...second.rows].map(({ group }) => group[0])).toEqual(Array.from({ length: count }, (_, index) => appOf(index)));
    expect(second.nextCursor).toBe('');
  });

  it('reads the events and entries of the months asked for and of none far from them', async () => {
    const large = await fixture.createCustomer(instance, { creditPico: USD });
    for (const startMs of [OCTOBER, DECEMBER]) {
      clock.setNow(startMs + 12 * 3_600_000);
      await fixture.grantCredit(instance, large.accountId, 7n);
      const ofMonth = Array.from({ length: 500 }, () => fixture.charge(large, 1n, [], { model: MODELS[0]! }));
      await consume(instance.consumer, ofMonth);
    }
    await fixture.pool.query('ANALYZE usage_events, charges, ledger_transactions, ledger_entries');
    const readOfOctober = await rowsReadBy('usage_events_2026_10', async (client) => {
      const asked = { accountId: large.accountId, startTimeMs: BigInt(DECEMBER), endTimeMs: BigInt(DECEMBER + DAY_MS), groupBy: ['model'] };
      expect((await readSpend(client, parseSpendQuery(billing.ListSpendRequest.fromPartial(asked)))).total.requestCount).toBe(500n);
      expect(await readModelLines(client, large.accountId, { startMs: DECEMBER, endMs: DECEMBER + DAY_MS }, 10)).toMatchObject([{ requestCount: 500n }]);
    });
    expect(readOfOctober).toBe(0);
    const entriesReadOfOctober = await rowsReadBy('ledger_entries_2026_10', async (client) => {
      const moved = await readMovements(client, large.accountId, { startMs: DECEMBER, endMs: DECEMBER + DAY_MS });
      expect(new Map(moved.map(({ kind, creditsPico }) => [kind, creditsPico]))).toEqual(new Map(Object.entries({ charge: 500n, credit_grant: -7n })));
      const { entries } = await readStatementEntries(client, large.accountId, { startMs: DECEMBER, endMs: DECEMBER + DAY_MS }, 10);
      expect(entries).toMatchObject([{ kind: 'credit_grant', description: 'top-up', amountPico: 7n }]);
    });
    expect(entriesReadOfOctober).toBe(0);
    const entriesReadOfDecember = await rowsReadBy('ledger_entries_2026_12', async (client) => {
      const { entries } = await readStatementEntries(client, large.accountId, { startMs: OCTOBER, endMs: NOVEMBER }, 10);
      expect(entries.map(({ amountPico }) => amountPico)).toContain(7n);
    });
    expect(entriesReadOfDecember).toBe(0);
  });

  async function rowsReadBy(table: string, run: (client: PoolClient) => Promise<void>): Promise<number> {
    const client = await fixture.pool.connect();
    const countRead = async (): Promise<number> => {
      const sql = 'SELECT (seq_tup_read + idx_tup_fetch)::int AS count FROM pg_stat_xact_user_tables WHERE relname = $1';
      return (await client.query<{ count: number }>(sql, [table])).rows[0]!.count;
    };
    try {
      await client.query('BEGIN');
      const before = await countRead();
      await run(client);
      return (await countRead()) - before;
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  }

  it('tells nothing of a time without requests', async () => {
    const nothing = await ask({ startTimeMs: 0n, endTimeMs: BigInt(DAY_MS), groupBy: ['key'] });
    expect(nothing).toMatchObject({ rows: [], nextCursor: '', total: { chargePico: 0n, requestCount: 0n } });
  });

  it.each<[string, Partial<billing.ListSpendRequest>]>([
    ['no account', { accountId: '' }],
    ['a time that is no day', { startTimeMs: BigInt(SEPTEMBER + 1) }],
    ['an end before the start', { endTimeMs: BigInt(SEPTEMBER) }],
    ['801 days', { endTimeMs: BigInt(SEPTEMBER + 801 * DAY_MS) }],
    ['an unknown dimension', { groupBy: ['colour'] }],
    ['a tag without a name', { groupBy: ['tag:'] }],
    ['a dimension twice', { groupBy: ['key', 'key'] }],
    ['seven dimensions', { groupBy: ['key', 'model', 'app', 'user', 'tag:a', 'tag:b', 'tag:c'] }],
    ['10,001 rows', { limit: 10_001 }],
    ['a cursor of nobody', { cursor: 'bm90aGluZw' }],
    ['a cursor of another query', { cursor: Buffer.from('[0,"x"]').toString('base64url') }],
    ['NUL in a filter', { filters: [{ dimension: 'user', value: '\0' }] }],
  ])('refuses %s', async (_, fields) => {
    await expect(ask(fields)).rejects.toMatchObject({ type: 'invalid_request' });
  });

  it('makes few reports at a time and says so', async () => {
    const asked = await Promise.allSettled(Array.from({ length: 12 }, () => ask({ granularity: DAY, groupBy: ['user'] })));
    const refused = asked.filter((result) => result.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(12);
    for (const { reason } of refused) expect(reason).toMatchObject({ type: 'rate_limit_exceeded', retryAfterMs: 5_000 });
    expect((await ask()).rows).toHaveLength(1);
  });

  const reports: [string, (signal?: AbortSignal) => Promise<unknown>][] = [
    ['a statement', (signal) => instance.ledger.getStatement({ accountId: customer.accountId, month: '2026-10' }, { signal })],
    ['spend', (signal) => ask({ groupBy: ['key'] }, signal)],
    ['a verification', (signal) => instance.ledger.verifyLedger({}, { signal })],
  ];
  const IS_WAITING = `datname = current_database() AND wait_event_type = 'Lock'`;

  /** Does so while the report waits for the charges. */
  async function whileReading(act: () => unknown, ended: () => Promise<void>): Promise<void> {
    const locker = await fixture.pool.connect();
    try {
      // Whoever reads charges waits for as long as this lasts.
      await locker.query('BEGIN; LOCK TABLE charges IN ACCESS EXCLUSIVE MODE');
      const end = ended();
      await eventually(async () => expect((await fixture.pool.query(`SELECT 1 FROM pg_stat_activity WHERE ${IS_WAITING}`)).rowCount).toBeGreaterThan(0));
      await act();
      await end;
    } finally {
      await locker.query('ROLLBACK');
      locker.release();
    }
  }

  it.each(reports)('ends %s when nobody waits for it any more, in the middle of a reading', async (_, report) => {
    const leave = new AbortController();
    await whileReading(
      () => leave.abort(new Error('gone')),
      () => expect(report(leave.signal)).rejects.toThrow('gone'),
    );
  });

  it.each(reports)('says of %s that takes longer than the database lets it that it takes too long', async (_, report) => {
    await whileReading(
      // As when its time is over.
      () => fixture.pool.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE ${IS_WAITING}`),
      () => expect(report()).rejects.toMatchObject({ type: 'timeout', message: expect.stringContaining('longer than it may') }),
    );
  });

  describe('a statement', () => {
    let account: Customer;
    const statementOf = async (month: string, of: Customer = account): Promise<billing.Statement> =>
      (await instance.ledger.getStatement({ accountId: of.accountId, month })).statement!;
    const balanceOf = (balance: billing.StatementBalance | undefined): bigint => balance!.creditsPico - balance!.receivablePico;

    /** The account's balance by every entry that belongs before the time: credit positive, what is owed negative. */
    async function balanceBefore(timeMs: number): Promise<bigint> {
      const { rows } = await fixture.pool.query<{ sum: string | null }>(
        `SELECT -sum(amount_pico) AS sum FROM ledger_transactions JOIN ledger_entries USING (transaction_id) WHERE accept_time_ms < $2 AND ledger_account = ANY($1::text[])`,
        [[`account:${account.accountId}:credits`, `account:${account.accountId}:receivable`], timeMs],
      );
      return BigInt(rows[0]!.sum ?? 0);
    }

    beforeAll(async () => {
      clock.setNow(SEPTEMBER + 5 * DAY_MS);
      account = await fixture.createCustomer(instance, { creditPico: 100n });
      const charge = (acceptTimeMs: number, chargePico: bigint, model: string) =>
        fixture.charge(account, chargePico, [], { eventId: newEventId(manualClock(acceptTimeMs), fixture.random), acceptTimeMs: BigInt(acceptTimeMs), model });
      const september = charge(OCTOBER - 1, 30n, 'acme/large');
      clock.setNow(OCTOBER + DAY_MS);
      await instance.accounts.grantCredit({
        accountId: account.accountId,
        amountPico: 20n,
        idempotencyKey: 'gift',
        description: 'Welcome',
        isPromotional: true,
      });
      // More than there is: 25 become receivable, of which the next top-up pays 10 first.
      const october = [charge(OCTOBER, 40n, 'acme/large'), charge(OCTOBER + DAY_MS, 75n, 'acme/small')];
      await consume(instance.consumer, [september, ...october, fixture.attempt(account, september.generationId, 9n, events.AttemptReporter.WORKER)]);
      clock.setNow(OCTOBER + 2 * DAY_MS);
      await fixture.grantCredit(instance, account.accountId, 10n);
      clock.setNow(NOVEMBER + DAY_MS);
      await fixture.grantCredit(instance, account.accountId, 500n);
      await consume(instance.consumer, [charge(NOVEMBER, 60n, 'acme/small')]);
    });

    it('reconciles: opening balance and movements make the closing balance, which the entries of the ledger make too', async () => {
      const statements = [await statementOf('2026-08'), await statementOf('2026-09'), await statementOf('2026-10'), await statementOf('2026-11')];
      let previous = 0n;
      for (const statement of statements) {
        expect(balanceOf(statement.opening)).toBe(previous);
        const moved = statement.boughtPico + statement.grantedPico - statement.chargedPico + statement.adjustedPico;
        expect(balanceOf(statement.opening) + moved).toBe(balanceOf(statement.closing));
        expect(balanceOf(statement.opening)).toBe(await balanceBefore(Number(statement.periodStartMs)));
        expect(balanceOf(statement.closing)).toBe(await balanceBefore(Number(statement.periodEndMs)));
        const { receivablePico } = statement.opening!;
        expect(receivablePico + statement.receivableArisenPico - statement.receivableCoveredPico).toBe(statement.closing!.receivablePico);
        expect(statement.differences).toEqual([]);
        previous = balanceOf(statement.closing);
      }
      expect(previous).toBe(100n + 20n + 10n + 500n - 30n - 40n - 75n - 60n);
      expect(statements.map(({ chargedPico }) => chargedPico)).toEqual([0n, 30n, 115n, 60n]);
    });

    it('shows what was bought, given, charged by key and by model, owed and paid off', async () => {
      expect(await statementOf('2026-10')).toMatchObject({
        accountName: 'Test',
        opening: { creditsPico: 70n, receivablePico: 0n },
        boughtPico: 10n,
        grantedPico: 20n,
        chargedPico: 115n,
        adjustedPico: 0n,
        closing: { creditsPico: 0n, receivablePico: 15n },
        receivableArisenPico: 25n,
        receivableCoveredPico: 10n,
        requestCount: 2n,
        byKey: [{ id: account.keyHash, name: 'a key', requestCount: 2n, chargedPico: 115n }],
        byModel: [
          { id: 'acme/small', requestCount: 1n, chargedPico: 75n },
          { id: 'acme/large', requestCount: 1n, chargedPico: 40n },
        ],
        entries: [
          { kind: 'promotion_grant', description: 'Welcome', amountPico: 20n },
          { kind: 'credit_grant', description: 'top-up', amountPico: 10n },
        ],
        entryCount: 2n,
      });
    });

    it('equals what spend says of the same month', async () => {
      const statement = await statementOf('2026-10', customer);
      const { total, rows } = await ask({ startTimeMs: BigInt(OCTOBER), endTimeMs: BigInt(NOVEMBER), groupBy: ['model'] });
      expect(statement.chargedPico).toBe(total!.chargePico);
      expect(statement.requestCount).toBe(total!.requestCount);
      expect(new Map(statement.byModel.map(({ id, chargedPico }) => [id, chargedPico]))).toEqual(
        new Map(rows.map(({ group, sums }) => [group[0], sums!.chargePico])),
      );
      expect(await postedIn(OCTOBER, NOVEMBER)).toBe(statement.chargedPico);
    });

    it('is provisional while the month goes on, and while a lease of it may bring charges', async () => {
      expect((await statementOf('2026-10')).isProvisional).toBe(false);
      expect((await statementOf('2026-11')).isProvisional).toBe(true);
      const { leases } = await fixture.acquire(instance, 'statement', [creditScope(account, 5n)]);
      clock.setNow(NOVEMBER + 32 * DAY_MS);
      expect((await statementOf('2026-11')).isProvisional).toBe(true);
      await instance.leases.releaseLeases({ holderId: 'statement', epoch: 1n, releases: [{ leaseId: leases[0]!.leaseId, releasedTotal: 5n, isClosed: true }] });
      expect((await statementOf('2026-11')).isProvisional).toBe(false);
    });

    it('is provisional until what was accepted in the last moment is charged, though its lease is of the next month', async () => {
      clock.setNow(NOVEMBER + 61 * DAY_MS + 1);
      expect((await statementOf('2026-12')).isProvisional).toBe(true);
      const { leases } = await fixture.acquire(instance, 'statement', [creditScope(account, 5n)]);
      clock.advance(600_000);
      expect((await statementOf('2026-12')).isProvisional).toBe(true);
      const lease = { leaseId: leases[0]!.leaseId, amount: 5n };
      await instance.leases.releaseLeases({ holderId: 'statement', epoch: 1n, releases: [{ leaseId: lease.leaseId, releasedTotal: 0n, isClosed: true }] });
      await consume(instance.consumer, [fixture.charge(account, 5n, [lease], { acceptTimeMs: BigInt(NOVEMBER + 61 * DAY_MS - 1) })]);
      expect(await statementOf('2026-12')).toMatchObject({ isProvisional: false, chargedPico: 5n });
    });

    it('tells when the books do not agree', async () => {
      const move = (by: number) =>
        fixture.pool.query('UPDATE ledger_balances SET balance_pico = balance_pico + $2 WHERE ledger_account = $1', [
          `account:${account.accountId}:credits`,
          by,
        ]);
      await move(1);
      expect((await statementOf('2026-10')).differences).toEqual([expect.stringContaining("the ledger's balance is")]);
      await move(-1);
      expect((await statementOf('2026-10')).differences).toEqual([]);
    });

    it('refuses what is no month, and knows no account that is none', async () => {
      for (const month of ['', '2026', '2026-13', '2026-10-01', '1999-01']) await expect(statementOf(month)).rejects.toMatchObject({ type: 'invalid_request' });
      await expect(statementOf('2026-10', { ...account, accountId: 'nobody' })).rejects.toMatchObject({ type: 'not_found' });
    });
  });
});
