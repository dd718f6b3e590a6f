import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPool } from '@switchyard/db';
import {
  alertRules,
  call,
  Customer,
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
  type SteadyLoad,
} from '@switchyard/test-platform';
import { eventually, freePort } from '@switchyard/testing';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import type { Pool } from 'pg';

const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');
const FIRES = { timeoutMs: 60_000, intervalMs: 500 };
const CLEARS = { timeoutMs: 120_000, intervalMs: 500 };
const TEST_TIMEOUT_MS = 240_000;
const BOASTFUL = 'acme/boastful';
const SPOOL_BYTES = 300_000;
const SKEW_MS = 80;
const LEASES = { SWITCHYARD_LEASE_RESERVE_MS: '2000', SWITCHYARD_LEASE_SETTLE_MARGIN_MS: '10000', SWITCHYARD_LEASE_ABANDON_AFTER_MS: '15000' };

/** An hour is a second; a threshold of minutes is five seconds, and a key's least budget is above what the steady load costs. */
const HURRY = {
  factor: 3_600,
  minWindowMs: 15_000,
  thresholds: { '> 600': '> 5', '> 120': '> 5', '> 60': '> 5', '< 3600': '< 20', '), 5)': '), 50)' },
};

/** Alerts whose faults no test makes by hand, or only with luck: their conditions are tested on made-up series alone (test/monitoring/rules). */
const ON_MADE_UP_SERIES = ['SwitchyardSpoolUnwritable', 'SwitchyardPriceMissing', 'SwitchyardChargedLate'];

describe('each alert, under its fault', () => {
  let fixture: Fixture;
  let collector: Server;
  let prometheus: RunningPrometheus;
  let load: SteadyLoad;
  let pool: Pool;
  let skewedPort: number;
  const shown = new Set<string>();

  beforeAll(async () => {
    collector = await startCollector(0);
    fixture = await startFixture({
      shape: 'split',
      providers: {
        boastful: {
          name: 'Boastful',
          simulate: { usageInflation: 0.4, ignoresMaxTokens: true },
          endpoints: [{ model: BOASTFUL, prices: { prompt: '1000', completion: '1000' } }],
        },
      },
      environment: {
        ...LEASES,
        SWITCHYARD_LEDGER_WATCH_MS: '1000',
        SWITCHYARD_SPOOL_MAX_BYTES: String(SPOOL_BYTES),
        SWITCHYARD_ATTEMPT_FIRST_TOKEN_LEAST_MS: '20000',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${portOf(collector)}`,
        OTEL_BSP_SCHEDULE_DELAY: '500',
        OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
      },
    });
    pool = createPool(fixture.platform.eventLog!.databaseUrl!, { max: 4 });
    skewedPort = await freePort();
    load = steady(8, 6);
    const rules = [...ruleFiles().values()].map((text) => hurried(text, HURRY));
    const origins = { ...fixture.platform.healthUrls!, skewed: [`http://127.0.0.1:${skewedPort}`] };
    prometheus = await startPrometheus({ programs: prometheusPrograms(), origins, rules });
    await expectQuiet(alertRules().map(({ alert }) => alert));
  }, 300_000);

  afterAll(async () => {
    await load.stop();
    await prometheus.stop();
    await pool.end();
    await fixture.stop();
    collector.closeAllConnections();
    collector.close();
  }, 180_000);

  /** Small streams, some of another provider, and embeddings. */
  function steady(perSecond: number, words: number, key = fixture.platform.apiKey): SteadyLoad {
    const { baseUrl } = fixture.platform;
    return startLoad(perSecond, (index) => {
      if (index % 4 === 3) return { baseUrl, key, path: '/embeddings', body: { model: MODELS.embedder, input: `text ${index}` } };
      const model = index % 2 === 0 ? MODELS.writer : MODELS.thinker;
      return {
        baseUrl,
        key,
        path: '/chat/completions',
        body: { model, stream: true, max_tokens: 4_000, messages: [{ role: 'user', content: `say ${words} words` }] },
      };
    });
  }

  async function firing(): Promise<string[]> {
    return (await prometheus.alerts()).filter(({ state }) => state === 'firing').map(({ name }) => name);
  }

  async function expectQuiet(alerts: readonly string[]): Promise<void> {
    await eventually(async () => expect((await firing()).filter((name) => alerts.includes(name))).toEqual([]), CLEARS);
  }

  /** They are quiet, fire while the fault lasts, and are quiet again after it. */
  async function expectUnder(alerts: readonly string[], inject: () => Promise<unknown> | void, heal: () => Promise<unknown> | void): Promise<void> {
    await expectQuiet(alerts);
    const seen = new Set<string>();
    try {
      await inject();
      await eventually(async () => {
        for (const name of await firing()) seen.add(name);
        expect(alerts.filter((name) => !seen.has(name))).toEqual([]);
      }, FIRES);
    } finally {
      await heal();
    }
    await expectQuiet(alerts);
    for (const alert of alerts) shown.add(alert);
  }

  const pidsOf = (target: string): readonly number[] => contractOf(fixture).processes[target] ?? [];
  const signal = (pids: readonly number[], name: NodeJS.Signals): void => pids.forEach((pid) => process.kill(pid, name));
  const kafkaPids = (): number[] => [Number(readFileSync(join(fixture.platform.dataDirectory, 'kafka.pid'), 'utf8'))];

  /** Holds locks on all tables of a schema that are as in `LIKE`. */
  async function lockTables(schema: string, like: string): Promise<() => Promise<void>> {
    const client = await pool.connect();
    const { rows } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = $1 AND tablename LIKE $2`,
      [schema, like],
    );
    await client.query(`BEGIN; LOCK TABLE ${rows.map(({ name }) => name).join(', ')} IN ACCESS EXCLUSIVE MODE`);
    return async () => {
      await client.query('ROLLBACK');
      client.release();
    };
  }

  it(
    'a provider that fails where there is no other',
    async () => {
      const { faults } = fixture.upstreams['alpha']!;
      await expectUnder(
        ['SwitchyardProviderFails', 'SwitchyardBreakersOpen', 'SwitchyardAvailabilityBurnsFast', 'SwitchyardAvailabilityBurnsSlowly'],
        () => faults.add({ kind: 'server_error', share: 1, seed: 1, delayMs: 0, afterWords: 0 }),
        () => faults.clear(),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a provider whose answers begin late',
    async () => {
      const slow = ['alpha', 'anthropic-sim'].map((slug) => fixture.upstreams[slug]!.faults);
      await expectUnder(
        ['SwitchyardFirstTokenBurnsFast', 'SwitchyardFirstTokenBurnsSlowly'],
        () => slow.forEach((faults) => faults.add({ kind: 'delay', share: 1, seed: 1, delayMs: 3_500, afterWords: 0 })),
        () => slow.forEach((faults) => faults.clear()),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a key that spends much more than usual',
    async () => {
      let spender: SteadyLoad | undefined;
      await expectUnder(
        ['SwitchyardKeySpendBurnsFast', 'SwitchyardKeySpendBurnsSlowly'],
        () => void (spender = steady(15, 1_500)),
        () => spender?.stop(),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it.each([
    ['router', ['SwitchyardProcessDown', 'SwitchyardRoutingTableStale']],
    ['billing', ['SwitchyardKeysStale', 'SwitchyardBillingUnreachable']],
  ])(
    'a %s that does not answer',
    async (target, alerts) => {
      const pids = pidsOf(target);
      await expectUnder(
        alerts,
        () => signal(pids, 'SIGSTOP'),
        () => signal(pids, 'SIGCONT'),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a worker that turns to its sockets only now and then',
    async () => {
      const pids = pidsOf('worker');
      const timer = { stop: () => undefined as void };
      await expectUnder(
        ['SwitchyardEventLoopBlocked'],
        () => {
          const interval = setInterval(() => {
            signal(pids, 'SIGSTOP');
            setTimeout(() => signal(pids, 'SIGCONT'), 350);
          }, 700);
          timer.stop = () => clearInterval(interval);
        },
        () => timer.stop(),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'analytics whose tables are locked',
    async () => {
      let unlock: (() => Promise<void>) | undefined;
      await expectUnder(
        ['SwitchyardStatisticsStale', 'SwitchyardConsumerLags'],
        async () => void (unlock = await lockTables('analytics', '%')),
        () => unlock?.(),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a ledger that cannot be read, and one in which somebody wrote',
    async () => {
      let unlock: (() => Promise<void>) | undefined;
      await expectUnder(
        ['SwitchyardLedgerUnchecked'],
        async () => void (unlock = await lockTables('billing', 'charges%')),
        () => unlock?.(),
      );
      const change = (by: number) =>
        pool.query(`UPDATE billing.ledger_balances SET balance_pico = balance_pico + ${by} WHERE ledger_account = 'platform:revenue:inference'`);
      await expectUnder(
        ['SwitchyardLedgerDiffers'],
        () => change(1),
        () => change(-1),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a provider that counts more than it was allowed to write',
    async () => {
      const customer = await Customer.create(fixture.platform, '0.2');
      const { baseUrl } = fixture.platform;
      const body = { model: BOASTFUL, max_tokens: 20, messages: [{ role: 'user', content: 'say 400 words' }] };
      await expectUnder(
        ['SwitchyardChargedAboveReservation', 'SwitchyardOverdraft'],
        async () => expect(await call(baseUrl, '/chat/completions', { key: customer.apiKey, body })).toMatchObject({ status: 200 }),
        () => customer.grant('10'),
      );
      customer.close();
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'events that nobody can read',
    async () => {
      const kafka = new Kafka({ clientId: 'stranger', brokers: fixture.platform.eventLog!.kafkaBrokers!.split(','), logLevel: logLevel.NOTHING });
      const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
      await producer.connect();
      await expectUnder(
        ['SwitchyardDeadLetters'],
        () => producer.send({ topic: 'switchyard.generation-completed.v1', messages: [{ key: 'nonsense', value: 'nonsense' }] }),
        () => producer.disconnect(),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a collector that is down',
    async () => {
      const port = portOf(collector);
      await expectUnder(
        ['SwitchyardSpansLost'],
        () => {
          collector.closeAllConnections();
          collector.close();
        },
        async () => void (collector = await startCollector(port)),
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'an ingress whose clock is ahead, and that dies with leases in its hands',
    async () => {
      const ingress = startSkewedIngress(fixture.platform, skewedPort);
      const base = `http://127.0.0.1:${skewedPort}/v1`;
      const stop = async (): Promise<void> => {
        if (ingress.child.exitCode === null && ingress.child.signalCode === null) {
          ingress.child.kill('SIGKILL');
          await once(ingress.child, 'exit');
        }
      };
      await expectUnder(
        ['SwitchyardClockSkewed'],
        () =>
          eventually(async () => {
            const body = { model: MODELS.writer, max_tokens: 5_000, messages: [{ role: 'user', content: 'say 2 words' }] };
            expect((await call(base, '/chat/completions', { key: fixture.platform.apiKey, body })).status).toBe(200);
          }, FIRES),
        stop,
      );
      await expectUnder(['SwitchyardLeaseAbandoned'], () => undefined, stop);
      rmSync(ingress.folder, { recursive: true, force: true });
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'an ingress that dies in the middle of a record',
    async () => {
      await expectUnder(
        ['SwitchyardSpoolTorn'],
        () => {
          signal(pidsOf('ingress'), 'SIGKILL');
          for (const file of spoolSegments(fixture.platform.dataDirectory)) appendFileSync(file, Buffer.from('half a record'));
        },
        () => undefined,
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a Kafka that is away while requests go on',
    async () => {
      let busy: SteadyLoad | undefined;
      const pids = kafkaPids();
      await expectUnder(
        ['SwitchyardSpoolNotPublished', 'SwitchyardSpoolFilling', 'SwitchyardConsumerLagUnknown'],
        () => {
          signal(pids, 'SIGSTOP');
          busy = steady(40, 3);
        },
        async () => {
          await busy?.stop();
          signal(pids, 'SIGCONT');
        },
      );
    },
    TEST_TIMEOUT_MS,
  );

  it('no alert is left out', () => {
    expect(
      alertRules()
        .map(({ alert }) => alert)
        .sort(),
    ).toEqual([...shown, ...ON_MADE_UP_SERIES].sort());
  });
});

/** As it is now: processes that were started again have other ids. */
function contractOf(fixture: Fixture): PlatformContract {
  return JSON.parse(readFileSync(join(fixture.platform.dataDirectory, 'quickstart.json'), 'utf8')) as PlatformContract;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Takes all spans and keeps none. */
async function startCollector(port: number): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function spoolSegments(dataDirectory: string): string[] {
  const files = readdirSync(dataDirectory, { recursive: true }).map(String);
  return files.filter((file) => /ingress\/spool\/.*\.segment$/.test(file)).map((file) => join(dataDirectory, file));
}

/** A further ingress of the platform, whose wall clock is ahead of everybody else's. */
function startSkewedIngress(platform: PlatformContract, port: number): { readonly child: ChildProcess; readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-alerts-'));
  const addresses = Object.entries(platform.grpcAddresses!).map(([target, address]) => [`SWITCHYARD_${target.toUpperCase()}_ADDRESS`, address]);
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--target=ingress'], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      ...Object.fromEntries(addresses),
      KAFKA_BROKERS: platform.eventLog!.kafkaBrokers!,
      SWITCHYARD_HTTP_PORT: String(port),
      SWITCHYARD_DATA_DIR: folder,
      SWITCHYARD_CLOCK_OFFSET_MS: String(SKEW_MS),
    },
  });
  return { child, folder };
}
