import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dirname } from 'node:path';
import { DAY_MS } from '@switchyard/core';
import { call, Customer, MODELS, startFixture, startPlatformIn, type Fixture, type StartedPlatform } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

interface Answer {
  readonly usage: { readonly cost: number; readonly prompt_tokens: number; readonly completion_tokens: number };
  readonly error: { readonly code: number; readonly metadata: { readonly scope?: string } };
}
interface KeyBody {
  readonly data: {
    readonly usage: number;
    readonly usage_daily: number;
    readonly usage_weekly: number;
    readonly usage_monthly: number;
    readonly limit_remaining: number;
    readonly free_model_daily_requests?: { readonly limit: number; readonly used: number };
  };
}
interface ActivityBody {
  readonly data: readonly {
    readonly date: string;
    readonly model: string;
    readonly endpoint_id: string;
    readonly provider_name: string;
    readonly usage: number;
    readonly requests: number;
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly workspace_id?: string;
  }[];
}

const RESETS = ['daily', 'weekly', 'monthly'] as const;
type Reset = (typeof RESETS)[number];

const FREE = `${MODELS.writer}:free`;
const LIMIT_USD = 0.001;
/** A month ends on a Friday, so day, month and week each end alone. */
const FRIDAY = Date.UTC(2027, 3, 30, 12);
const SATURDAY = Date.UTC(2027, 4, 1, 12);
const MONDAY = Date.UTC(2027, 4, 3, 12);

const picoOf = (usd: number) => BigInt(Math.round(usd * 1e12));

/** Starts the same platform on one day after another. */
describe('days, weeks and months', () => {
  let fixture: Fixture;
  let platform: StartedPlatform;
  let customer: Customer;
  const keys = new Map<Reset, { secret: string; hash: string }>();

  const environmentAt = (timeMs: number) => ({
    SWITCHYARD_CLOCK_OFFSET_MS: String(timeMs - Date.now()),
    SWITCHYARD_FREE_REQUESTS_PER_DAY: '2',
    SWITCHYARD_FREE_REQUESTS_PER_DAY_PURCHASED: '4',
  });

  beforeAll(async () => {
    fixture = await startFixture({
      shape: 'all',
      environment: environmentAt(FRIDAY),
      providers: { giver: { name: 'Giver', endpoints: [{ model: MODELS.writer, variant: 'free', prices: { prompt: '0', completion: '0' } }] } },
    });
    platform = fixture.platform;
    customer = await Customer.create(platform, '1');
    for (const reset of RESETS) keys.set(reset, await customer.newKey({ limit: LIMIT_USD, limit_reset: reset }));
  }, 180_000);
  afterAll(async () => {
    customer.close();
    await platform.stop();
    await fixture.stop();
  }, 120_000);

  async function goTo(timeMs: number): Promise<void> {
    customer.close();
    await platform.stop();
    const { catalogFile } = fixture.platform;
    platform = await startPlatformIn(dirname(catalogFile), catalogFile, { shape: 'all', environment: environmentAt(timeMs) });
    customer = customer.on(platform);
  }

  const ask = (key: string, body: object = {}) =>
    call<Answer>(platform.baseUrl, '/chat/completions', {
      key,
      body: { model: MODELS.writer, max_tokens: 60, provider: { only: ['alpha'] }, messages: [{ role: 'user', content: 'say 5 words' }], ...body },
    });
  const askFree = () => customer.call<Answer>('/chat/completions', { body: { model: FREE, messages: [{ role: 'user', content: 'say 5 words' }] } });
  /** Every request with a key is the same, so what was refused once is refused again. */
  const askWith = (reset: Reset) => ask(keys.get(reset)!.secret, { user: `${reset}-user` });
  const statusOf = async (reset: Reset) => (await askWith(reset)).status;
  const shown = async (reset: Reset) => (await customer.manage<KeyBody>(`/keys/${keys.get(reset)!.hash}`)).body.data;
  const activity = async (query = '') => (await customer.manage<ActivityBody>(`/activity${query}`)).body.data;

  /** Spends until the key is refused; what was spent. */
  async function exhaust(reset: Reset): Promise<bigint> {
    let spent = 0n;
    for (let count = 0; count < 200; count++) {
      const { status, body } = await askWith(reset);
      if (status !== 200) {
        expect([status, body.error.metadata.scope]).toEqual([402, 'key_limit']);
        return spent;
      }
      spent += picoOf(body.usage.cost);
    }
    throw new Error('the limit never came');
  }

  const usages = ({ usage, usage_daily, usage_weekly, usage_monthly }: KeyBody['data']) => [usage, usage_daily, usage_weekly, usage_monthly].map(picoOf);
  const spent = { friday: 0n, saturday: 0n };

  describe('on the Friday that ends a month', () => {
    it('keys with a limit for a day, a week and a month are refused once it is used up, and never pass it [K02]', async () => {
      for (const reset of RESETS) {
        const amount = await exhaust(reset);
        expect(amount).toBeGreaterThan(0n);
        expect(amount).toBeLessThanOrEqual(picoOf(LIMIT_USD));
        if (reset === 'monthly') spent.friday = amount;
      }
      await eventually(async () => expect(usages(await shown('monthly'))).toEqual([spent.friday, spent.friday, spent.friday, spent.friday]));
    });

    it('free models are refused after the configured number for a day, and tell when that ends [X21]', async () => {
      expect([(await askFree()).status, (await askFree()).status]).toEqual([200, 200]);
      const refused = await askFree();
      expect(refused.status).toBe(429);
      expect(refused.headers).toMatchObject({ 'x-ratelimit-limit': '2', 'x-ratelimit-reset': String(Math.ceil(FRIDAY / DAY_MS) * DAY_MS) });
      await eventually(async () => expect((await customer.call<KeyBody>('/key')).body.data.free_model_daily_requests).toMatchObject({ limit: 2, used: 2 }));
    });

    it('the day that has not ended is no activity yet [G04]', async () => {
      expect(await activity()).toEqual([]);
    });
  });

  describe('on Saturday, the first of the next month', () => {
    beforeAll(() => goTo(SATURDAY), 180_000);

    it('day and month are new, the week and the total go on [K08]', async () => {
      expect(usages(await shown('monthly'))).toEqual([spent.friday, 0n, spent.friday, 0n]);
      expect(picoOf((await shown('monthly')).limit_remaining)).toBe(picoOf(LIMIT_USD));
      expect((await shown('weekly')).limit_remaining).toBeLessThan(LIMIT_USD / 2);
    });

    it('limits for a day and a month are new, that for the week is not [K02]', async () => {
      expect([await statusOf('daily'), await statusOf('weekly')]).toEqual([200, 402]);
      spent.saturday = await exhaust('monthly');
      expect(spent.saturday).toBeGreaterThan(0n);
      await eventually(async () => {
        expect(usages(await shown('monthly'))).toEqual([spent.friday + spent.saturday, spent.saturday, spent.friday + spent.saturday, spent.saturday]);
      });
    });

    it('free models serve again, and more for who has bought credit [X21]', async () => {
      expect((await customer.call<KeyBody>('/key')).body.data.free_model_daily_requests).toMatchObject({ limit: 2, used: 0 });
      for (const status of [200, 200, 429]) expect((await askFree()).status).toBe(status);
      await customer.grant('10');
      for (const status of [200, 200, 429]) expect((await askFree()).status).toBe(status);
    });

    it('activity has the day that ended: by endpoint, with filters [G04]', async () => {
      const rows = await activity();
      expect(rows.every((row) => row.date === '2027-04-30')).toBe(true);
      const paid = rows.find((row) => row.model === MODELS.writer)!;
      expect(paid).toMatchObject({ provider_name: 'Alpha', endpoint_id: expect.stringContaining('alpha') });
      expect(rows.find((row) => row.model === FREE)).toMatchObject({ requests: 2, usage: 0, provider_name: 'Giver' });
      const month = await activity(`?api_key_hash=${keys.get('monthly')!.hash}`);
      expect(month).toHaveLength(1);
      expect(picoOf(month[0]!.usage)).toBe(spent.friday);
      expect(month[0]!.requests).toBeLessThan(paid.requests);
      expect(month[0]!.prompt_tokens).toBeGreaterThan(0);
      expect(await activity('?user_id=monthly-user')).toEqual(month);
      expect(await activity('?date=2027-04-30')).toEqual(rows);
      expect(await activity('?date=2027-04-29')).toEqual([]);
      expect(rows[0]).not.toHaveProperty('workspace_id');
      expect((await activity('?group_by=workspace')).every((row) => row.workspace_id === customer.workspaceId)).toBe(true);
      expect(await activity('?workspace_id=another')).toEqual([]);
      expect((await customer.manage('/activity?date=yesterday')).status).toBe(400);
      expect((await customer.call('/activity')).status).toBe(403);
    });
  });

  describe('on Monday', () => {
    beforeAll(() => goTo(MONDAY), 180_000);

    it('day and week are new, the month and the total go on [K08]', async () => {
      expect(usages(await shown('monthly'))).toEqual([spent.friday + spent.saturday, 0n, 0n, spent.saturday]);
    });

    it('limits for a day and a week are new, that for the month is not [K02]', async () => {
      expect([await statusOf('daily'), await statusOf('weekly'), await statusOf('monthly')]).toEqual([200, 200, 402]);
      expect((await customer.manage<{ data: object }>('/credits')).status).toBe(200);
    });

    it('activity is newest day first, and the books agree over all days [G04]', async () => {
      const days = (await activity()).map((row) => row.date);
      expect([...new Set(days)]).toEqual(['2027-05-01', '2027-04-30']);
      expect(await customer.verifyLedger()).toEqual([]);
    });
  });
});
