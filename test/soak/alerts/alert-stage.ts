import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { createPool } from '@switchyard/db';
import {
  alertRules,
  hurried,
  MODELS,
  prometheusPrograms,
  ruleFiles,
  startFixture,
  startLoad,
  startPrometheus,
  type Fixture,
  type PlatformContract,
  type RunningPrometheus,
  type StartedPlatform,
  type SteadyLoad,
} from '@switchyard/test-platform';
import { eventually, freePort } from '@switchyard/testing';
import type { Pool } from 'pg';
import { FurtherIngress } from './further-ingress.js';
import { startServer, type TestServer } from './test-server.js';

/** Its provider ignores `max_tokens` and reports 40 % more than it used, at 1,000 USD for a million tokens. */
export const BOASTFUL = 'acme/boastful';
/** The published list prices its prompts alone; its provider here reports that it wrote something, too. */
export const TALKATIVE_EMBEDDER = 'openai/text-embedding-3-small';

/** A machine that others keep busy holds up event loops, too: that nothing fires without a fault is asked of the other alerts. */
const RAISED_BY_LOAD = 'SwitchyardEventLoopBlocked';

/** How long an alert may take on a busy machine. Nothing waits longer than it has to. */
const FIRES = { timeoutMs: 180_000, intervalMs: 500 };
const CLEARS = { timeoutMs: 300_000, intervalMs: 500 };
/** For a test that brings on one fault after another. */
export const TEST_TIMEOUT_MS = 900_000;

/**
 * An hour is a second, but no window is so short that a late scrape empties it. A threshold of a minute or more is some seconds, above what is usual on a
 * machine that does other things, too: a consumer's lag is measured every five seconds. So is the one of the event loop, and a key's least budget is above
 * what the steady load costs.
 */
const HURRY = {
  factor: 3_600,
  minWindowMs: 15_000,
  thresholds: { '> 600': '> 6', '> 120': '> 5', '> 60': '> 12', '< 3600': '< 45', '< 900': '< 45', '> 0.2': '> 0.5', '), 5)': '), 5000)' },
};

/** A lease is done for after fifteen seconds, the ledger is compared with itself every second, and little fills a spool. */
const ENVIRONMENT = {
  SWITCHYARD_LEASE_RESERVE_MS: '2000',
  SWITCHYARD_LEASE_SETTLE_MARGIN_MS: '10000',
  SWITCHYARD_LEASE_ABANDON_AFTER_MS: '15000',
  SWITCHYARD_LEDGER_WATCH_MS: '1000',
  SWITCHYARD_SPOOL_MAX_BYTES: '300000',
  SWITCHYARD_ATTEMPT_FIRST_TOKEN_LEAST_MS: '20000',
  OTEL_BSP_SCHEDULE_DELAY: '500',
  OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
};

/** A platform under a steady load, and a real Prometheus that watches it with the chart's rules. */
export class AlertStage {
  /** Alerts that fired under their faults and cleared after them. */
  readonly shown = new Set<string>();

  private constructor(
    private readonly parts: AsyncDisposableStack,
    private readonly fixture: Fixture,
    private readonly prometheus: RunningPrometheus,
    private readonly furtherPort: number,
    /** Takes all spans and keeps none. */
    readonly collector: TestServer,
    readonly pool: Pool,
  ) {}

  static async start(): Promise<AlertStage> {
    await using parts = new AsyncDisposableStack();
    const collector = await startServer('application/x-protobuf', '');
    parts.defer(() => collector.stop());
    const embedder = await startServer('application/json', JSON.stringify(TALKATIVE_ANSWER));
    parts.defer(() => embedder.stop());
    const fixture = await startFixture(fixtureOptions(collector, embedder));
    parts.defer(() => fixture.stop());
    const pool = createPool(fixture.platform.eventLog!.databaseUrl!, { max: 4 });
    parts.defer(() => pool.end());
    const furtherPort = await freePort();
    const prometheus = await startPrometheus({
      programs: prometheusPrograms(),
      origins: { ...fixture.platform.healthUrls!, further: [`http://127.0.0.1:${furtherPort}`] },
      rules: [...ruleFiles().values()].map((text) => hurried(text, HURRY)),
    });
    parts.defer(() => prometheus.stop());
    const stage = new AlertStage(parts.move(), fixture, prometheus, furtherPort, collector, pool);
    const load = stage.steadyLoad(8);
    stage.parts.defer(() => load.stop());
    return stage;
  }

  stop(): Promise<void> {
    return this.parts.disposeAsync();
  }

  get platform(): StartedPlatform {
    return this.fixture.platform;
  }

  get upstreams(): Fixture['upstreams'] {
    return this.fixture.upstreams;
  }

  /** As they are now: processes that were started again have other ids. */
  pidsOf(target: string): readonly number[] {
    const contract = JSON.parse(readFileSync(join(this.platform.dataDirectory, 'quickstart.json'), 'utf8')) as PlatformContract;
    return contract.processes[target] ?? [];
  }

  /** For a test to treat badly; it runs once the test starts it. One at a time. */
  furtherIngress(): FurtherIngress {
    return new FurtherIngress(this.platform, this.furtherPort);
  }

  /** Small streams, some of another provider, and embeddings. */
  steadyLoad(perSecond: number): SteadyLoad {
    const { baseUrl, apiKey: key } = this.platform;
    return startLoad(perSecond, (index) => {
      if (index % 4 === 3) return { baseUrl, key, path: '/embeddings', body: { model: MODELS.embedder, input: `text ${index}` } };
      const model = index % 2 === 0 ? MODELS.writer : MODELS.thinker;
      const body = { model, stream: true, max_tokens: 4_000, messages: [{ role: 'user', content: 'say 6 words' }] };
      return { baseUrl, key, path: '/chat/completions', body };
    });
  }

  /** Without a fault nothing fires. */
  expectPeace(): Promise<void> {
    const alerts = alertRules().map(({ alert }) => alert);
    return this.expectQuiet(alerts.filter((alert) => alert !== RAISED_BY_LOAD));
  }

  /** They are quiet, fire while the fault lasts, and are quiet again after it. A fault that is over by itself needs no healing. */
  async expectUnder(alerts: readonly string[], inject: () => unknown, heal: () => unknown = () => undefined): Promise<void> {
    await this.expectQuiet(alerts);
    const seen = new Set<string>();
    try {
      await inject();
      await eventually(async () => {
        for (const name of await this.firing()) seen.add(name);
        expect(alerts.filter((name) => !seen.has(name))).toEqual([]);
      }, FIRES);
    } finally {
      await heal();
    }
    await this.expectQuiet(alerts);
    for (const alert of alerts) this.shown.add(alert);
  }

  /**
   * While nobody else can read or write a table.
   * @param table one alone, as who holds two may deadlock with the platform
   */
  async expectUnderLock(table: string, alerts: readonly string[]): Promise<void> {
    const client = await this.pool.connect();
    try {
      await this.expectUnder(
        alerts,
        () => client.query(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`),
        () => client.query('ROLLBACK'),
      );
    } finally {
      client.release();
    }
  }

  private async expectQuiet(alerts: readonly string[]): Promise<void> {
    await eventually(async () => expect((await this.firing()).filter((name) => alerts.includes(name))).toEqual([]), CLEARS);
  }

  private async firing(): Promise<string[]> {
    return (await this.prometheus.alerts()).filter(({ state }) => state === 'firing').map(({ name }) => name);
  }
}

/** A suite of faults of one kind, over a stage that the suite around it starts. */
export type FaultSuite = (stage: () => AlertStage) => void;

const TALKATIVE_ANSWER = {
  object: 'list',
  data: [{ object: 'embedding', index: 0, embedding: [1] }],
  usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
};

function fixtureOptions(collector: TestServer, embedder: TestServer): Parameters<typeof startFixture>[0] {
  return {
    shape: 'split',
    builtInCatalog: true,
    catalog: { include: [TALKATIVE_EMBEDDER], provider_overrides: { openai: { base_url: `${embedder.url}/v1`, credential: 'none' } } },
    providers: {
      boastful: {
        name: 'Boastful',
        simulate: { usageInflation: 0.4, ignoresMaxTokens: true },
        endpoints: [{ model: BOASTFUL, prices: { prompt: '1000', completion: '1000' } }],
      },
    },
    environment: { ...ENVIRONMENT, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
  };
}
