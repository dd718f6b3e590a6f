import { DAY_MS } from '@switchyard/core';
import { call, Customer, startFixture, type Fixture, type TestEndpoint } from '@switchyard/test-platform';
import { startSkewedIngress, type SkewedIngress } from './skewed-ingress.js';

/** USD for a million tokens: one answer costs less than a cent, however long its upstream makes it. */
export const PRICES = { prompt: '1', completion: '50' };
/** What the price becomes in mid-flight. */
export const NEW_PRICES = { prompt: '2', completion: '70' };

export const MODELS = {
  /** Its provider honours `max_tokens`, and writes no more than 180 tokens: no request can cost more than a cent. */
  honest: 'acme/honest',
  /** The same provider with a larger maximum, and one price after another. */
  dated: 'acme/dated',
  /** Its provider ignores `max_tokens` and reports 40 % more than it used. */
  boastful: 'acme/boastful',
  free: 'acme/gift:free',
} as const;

/** `SWITCHYARD_RACE_TIMES=20`: the whole race so many times, each over a new platform. Without it a shorter one runs once. */
export const RACE_TIMES = Number(process.env['SWITCHYARD_RACE_TIMES'] ?? 1);
export const IS_WHOLE_RACE = process.env['SWITCHYARD_RACE_TIMES'] !== undefined;

export const INGRESS_COUNT = 3;
export const BILLING_COUNT = 2;
/** A month that ends with a Sunday: day, week and month turn at once. */
const MIDNIGHT = Date.UTC(2027, 1, 1);
/** Of the ingress whose clock is wrong. */
const SKEW_MS = 600_000;
/** The last test before midnight begins this long before it, at the latest. */
const EARLIEST_MIDNIGHT_MS = 8_000;
const LONGEST_LEAD_MS = 300_000;

export interface RacePlatform extends Fixture {
  /** Unix milliseconds on the platform's clock. */
  nowMs(): number;
  /** The clock's offset, for further processes. */
  readonly clockOffsetMs: number;
  readonly midnightMs: number;
  /** A fourth ingress, ten minutes ahead, for as long as it is wanted. */
  readonly skewed: SkewedIngress;
}

/** Three ingresses, a fourth whose clock is wrong, and two billing instances, on an evening whose midnight comes `leadMs` after the start, or later where starting takes long. */
export async function startRacePlatform(leadMs: number): Promise<RacePlatform> {
  const clockOffsetMs = MIDNIGHT - Date.now() - leadMs;
  const nowMs = () => Date.now() + clockOffsetMs;
  const endpoint = (model: string): TestEndpoint => ({ model, prices: PRICES });
  const fixture = await startFixture({
    shape: 'split',
    environment: {
      SWITCHYARD_INGRESS_REPLICAS: String(INGRESS_COUNT),
      SWITCHYARD_BILLING_REPLICAS: String(BILLING_COUNT),
      SWITCHYARD_CLOCK_OFFSET_MS: String(clockOffsetMs),
      SWITCHYARD_CATALOG_RELOAD_MS: '250',
      // 200 clients at once keep a small machine busy for longer than a fast endpoint is given.
      SWITCHYARD_ATTEMPT_FIRST_TOKEN_LEAST_MS: '20000',
    },
    providers: {
      honest: {
        name: 'Honest',
        simulate: { firstTokenMs: 5 },
        endpoints: [
          { ...endpoint(MODELS.honest), max_completion_tokens: 180 },
          endpoint(MODELS.dated),
          { model: 'acme/gift', variant: 'free', prices: { prompt: '0', completion: '0' } },
        ],
      },
      boastful: { name: 'Boastful', simulate: { usageInflation: 0.4, ignoresMaxTokens: true }, endpoints: [endpoint(MODELS.boastful)] },
    },
  });
  const skewed = await startSkewedIngress({ platform: fixture.platform, clockOffsetMs }, SKEW_MS).catch(async (error: unknown) => {
    await fixture.stop();
    throw error;
  });
  const stop = async (): Promise<void> => {
    await skewed.stop();
    await fixture.stop();
  };
  if (nowMs() > MIDNIGHT - EARLIEST_MIDNIGHT_MS && leadMs < LONGEST_LEAD_MS) {
    await stop();
    return startRacePlatform(2 * leadMs);
  }
  return { ...fixture, stop, nowMs, clockOffsetMs, midnightMs: MIDNIGHT, skewed };
}

export const dayStartOf = (timeMs: number) => Math.floor(timeMs / DAY_MS) * DAY_MS;

/** Accounts of their own for the tests of one file. */
export class Customers {
  private readonly created: Customer[] = [];

  constructor(private readonly race: () => RacePlatform) {}

  async create(creditUsd: string): Promise<Customer> {
    const customer = await Customer.create(this.race().platform, creditUsd);
    this.created.push(customer);
    return customer;
  }

  close(): void {
    for (const customer of this.created) customer.close();
  }
}

/** The sum of a metric over all processes of a target. */
export async function metricSum(race: RacePlatform, target: string, name: string): Promise<number> {
  const texts = await Promise.all((race.platform.healthUrls?.[target] ?? []).map(async (url) => (await call(url, '/metrics')).text));
  const line = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm');
  return texts.flatMap((text) => [...text.matchAll(line)].map((match) => Number(match[1]))).reduce((sum, value) => sum + value, 0);
}
