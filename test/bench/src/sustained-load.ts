import { usdToPico } from '@switchyard/core';
import { createPortClient } from '@switchyard/grpc';
import { AccountPort, billing, KeyPort, LedgerPort } from '@switchyard/proto';
import { scrape, type StartedPlatform } from '@switchyard/test-platform';
import { Load } from './load-generator.js';
import { CONNECTIONS } from './measure-set-up.js';
import { watch, type Window } from './measured-window.js';
import { SpreadRequests } from './requests.js';
import { MODELS, type SetUp, type Upstream } from './set-up.js';

export const ACCOUNTS = 20;
export const KEYS = 1_000;
export const FAIL_ONE_IN = 50;
const CREDIT_USD = '10000';
const KEY_LIMIT_USD = '1000';
const SLICE_SECONDS = 5;
const CATCH_UP_MS = 120_000;
const POLL_MS = 250;
const VERIFY_TIMEOUT_MS = 3_600_000;
const LAG_METRIC = 'switchyard_consumer_lag_records';

/** One stretch of a long run. */
export interface Slice {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicros: number;
  readonly storeCpuMicros: Readonly<Record<string, number>>;
  readonly residentMib: number;
  readonly loadCoreShare: number;
  /** Events that each consumer group has yet to take. */
  readonly lagRecords: Readonly<Record<string, number>>;
}

export interface SustainedPlan {
  readonly warmUpSeconds: number;
  readonly minutes: number;
  /** Whether every key has a limit of its own, besides its account's credit. */
  readonly hasKeyLimits: boolean;
}

export interface SustainedFigures {
  readonly seconds: number;
  readonly requests: number;
  /** From the first request on, before anything was measured. */
  readonly failed: number;
  readonly requestsPerSecond: number;
  /** Weighted over all stretches. */
  readonly cpuMicros: number;
  readonly storeCpuMicros: Readonly<Record<string, number>>;
  /** Median of the stretches' medians, and of their 99th percentiles. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly slices: readonly Slice[];
  /** How many seconds of traffic billing had not posted when the load ended. */
  readonly unpostedSeconds: number;
  /** The same of every consumer group, by what is left of its records. */
  readonly lagSeconds: Readonly<Record<string, number>>;
  /** How long it took after the end until everything was posted, in seconds; undefined: it never was. */
  readonly catchUpSeconds: number | undefined;
  readonly toldPico: string;
  readonly postedPico: string;
  readonly ledgerDifferences: readonly string[];
  readonly failures: readonly string[];
}

/**
 * Load as users make it, for minutes: a thousand keys in twenty accounts; fifty models; prompts that all
 * differ; one first attempt in fifty fails and falls back. At the end the books are compared with what clients were told.
 */
export async function sustain(setUp: SetUp, upstream: Upstream, plan: SustainedPlan): Promise<SustainedFigures> {
  const books = await Books.open(setUp.platform!);
  try {
    const keys = await books.createKeys(plan.hasKeyLimits);
    const options = { keys, models: MODELS, failOneIn: FAIL_ONE_IN, connections: CONNECTIONS };
    const requests = new SpreadRequests({ ...setUp.target, headers: {} }, options);
    const load = await Load.start({ port: setUp.target.port, requests, connections: CONNECTIONS, collectsCosts: true, check: (body) => void JSON.parse(body) });
    await pause(plan.warmUpSeconds);
    const slices: (Slice & Window)[] = [];
    while (slices.length < (plan.minutes * 60) / SLICE_SECONDS) {
      const window = await watch(load, setUp, upstream, SLICE_SECONDS);
      slices.push({ ...window, lagRecords: await lagOf(setUp.platform!) });
    }
    const lastRate = slices.at(-1)!.requestsPerSecond;
    const unanswered = await load.stop();
    const end = await books.compare(load.costs, lastRate, await lagOf(setUp.platform!));
    // Also what failed while it warmed up, and while nothing was measured between two slices.
    return { ...summary(slices), failed: load.failedInAll + unanswered, ...end, failures: load.failures };
  } finally {
    books.close();
  }
}

/** Billing's own words on what it has charged. */
class Books {
  private constructor(
    private readonly accounts: ReturnType<typeof createPortClient<AccountPort>>,
    private readonly keys: ReturnType<typeof createPortClient<KeyPort>>,
    private readonly ledgers: ReturnType<typeof createPortClient<LedgerPort>>,
    private readonly accountIds: readonly string[],
  ) {}

  static async open(platform: StartedPlatform): Promise<Books> {
    const address = platform.grpcAddresses!['billing']!;
    const accounts = createPortClient(AccountPort, address);
    const accountIds: string[] = [];
    for (let index = 0; index < ACCOUNTS; index++) {
      const { accountId } = await accounts.port.createAccount(billing.CreateAccountRequest.fromPartial({ name: `Bench ${index + 1}` }));
      const credit = { accountId, amountPico: usdToPico(CREDIT_USD), idempotencyKey: crypto.randomUUID(), isPromotional: true };
      await accounts.port.grantCredit(billing.GrantCreditRequest.fromPartial(credit));
      accountIds.push(accountId);
    }
    return new Books(accounts, createPortClient(KeyPort, address), createPortClient(LedgerPort, address), accountIds);
  }

  async createKeys(hasLimits: boolean): Promise<string[]> {
    const secrets: string[] = [];
    for (let index = 0; index < KEYS; index++) {
      const request = {
        accountId: this.accountIds[index % ACCOUNTS]!,
        name: `bench-${index + 1}`,
        ...(hasLimits ? { limitPico: usdToPico(KEY_LIMIT_USD) } : {}),
      };
      secrets.push((await this.keys.port.createKey(billing.CreateKeyRequest.fromPartial(request))).secret);
    }
    return secrets;
  }

  async compare(costs: ReadonlyMap<string, number>, requestsPerSecond: number, lagRecords: Readonly<Record<string, number>>) {
    const postedAtEndPico = await this.postedPico();
    const endMs = performance.now();
    const toldPico = [...costs].reduce((total, [cost, count]) => total + usdToPico(cost) * BigInt(count), 0n);
    const requestCount = [...costs.values()].reduce((total, count) => total + count, 0);
    const picoPerSecond = (Number(toldPico) / requestCount) * requestsPerSecond;
    let postedPico = postedAtEndPico;
    while (postedPico !== toldPico && performance.now() - endMs < CATCH_UP_MS) {
      await new Promise((done) => setTimeout(done, POLL_MS));
      postedPico = await this.postedPico();
    }
    const catchUpSeconds = postedPico === toldPico ? (performance.now() - endMs) / 1_000 : undefined;
    const { differences } = await this.ledgers.port.verifyLedger({}, { timeoutMs: VERIFY_TIMEOUT_MS });
    return {
      unpostedSeconds: Math.max(0, Number(toldPico - postedAtEndPico) / picoPerSecond),
      lagSeconds: Object.fromEntries(Object.entries(lagRecords).map(([group, records]) => [group, records / requestsPerSecond])),
      catchUpSeconds,
      toldPico: toldPico.toString(),
      postedPico: postedPico.toString(),
      ledgerDifferences: differences.map(({ check, subject, detail }) => `${check}: ${subject}: ${detail}`),
    };
  }

  close(): void {
    for (const client of [this.accounts, this.keys, this.ledgers]) client.close();
  }

  private async postedPico(): Promise<bigint> {
    const credits = await Promise.all(this.accountIds.map((accountId) => this.accounts.port.getCredits({ accountId })));
    return credits.reduce((total, { totalUsagePico }) => total + totalUsagePico, 0n);
  }
}

async function lagOf(platform: StartedPlatform): Promise<Record<string, number>> {
  const lags: Record<string, number> = {};
  for (const { name, labels, value } of await scrape(platform)) {
    if (name !== LAG_METRIC) continue;
    const group = /group="([^"]*)"/.exec(labels)?.[1] ?? '';
    lags[group] = (lags[group] ?? 0) + value;
  }
  return lags;
}

function summary(windows: readonly (Slice & Window)[]) {
  const requests = sum(windows, 'requests');
  const seconds = sum(windows, 'seconds');
  const stores = Object.keys(windows[0]!.storeCpuMicros);
  const perRequest = (pick: (window: Window) => number) => windows.reduce((total, window) => total + pick(window) * window.requests, 0) / requests;
  return {
    seconds,
    requests,
    requestsPerSecond: requests / seconds,
    cpuMicros: perRequest((window) => window.cpuMicros),
    storeCpuMicros: Object.fromEntries(stores.map((store) => [store, perRequest((window) => window.storeCpuMicros[store] ?? 0)])),
    p50Ms: median(windows.map((window) => window.p50Ms)),
    p99Ms: median(windows.map((window) => window.p99Ms)),
    slices: windows.map(({ requestsPerSecond, p50Ms, p99Ms, cpuMicros, storeCpuMicros, residentMib, loadCoreShare, lagRecords }) => ({
      requestsPerSecond,
      p50Ms,
      p99Ms,
      cpuMicros,
      storeCpuMicros,
      residentMib,
      loadCoreShare,
      lagRecords,
    })),
  };
}

function sum(windows: readonly Window[], field: 'requests' | 'seconds'): number {
  return windows.reduce((total, window) => total + window[field], 0);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function pause(seconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, seconds * 1_000));
}
