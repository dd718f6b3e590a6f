import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { analyticsTarget } from '@switchyard/analytics/analytics.target';
import { billingTarget } from '@switchyard/billing/billing.target';
import { attemptId, newEventId, newGenerationId } from '@switchyard/core';
import { createPool } from '@switchyard/db';
import { encodeAttemptCompleted, encodeGenerationCompleted, TOPICS, type EventLog, type EventRecord } from '@switchyard/events';
import { AccountPort, billing, common, events, KeyPort, LedgerPort } from '@switchyard/proto';
import { runTargets, type Platform } from '@switchyard/runtime';
import { captureLogger, eventually, freePort, realClock, seededRandom } from '@switchyard/testing';
import { request } from 'undici';

export interface EventOperationsSubject {
  /** How processes find the database and the event log. */
  readonly environment: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  readonly eventLog: EventLog;
  close(): Promise<void>;
}

interface Customer {
  readonly accountId: string;
  readonly keyHash: string;
}

const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');
const USAGE_TOPICS = [TOPICS.generationCompleted, TOPICS.attemptCompleted];
const TABLES = ['generation', 'attempt', 'activity_daily', 'endpoint_slot', 'endpoint_measure'];
const PICO_EACH = 7n;
const WAIT = { timeoutMs: 60_000, intervalMs: 50 };
const clock = realClock();
const random = seededRandom(clock.nowMs());

/** What operators do with events, and what consumers that come and go do to them; over either event log. */
export function eventOperationsSuite(start: () => Promise<EventOperationsSubject>): void {
  let subject: EventOperationsSubject;
  let folder: string;
  let platform: Platform;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    subject = await start();
    folder = mkdtempSync(join(tmpdir(), 'switchyard-events-'));
    platform = await startConsumers();
  }, 300_000);
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await platform?.stop();
    await subject?.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  function environmentOf(name: string): Record<string, string> {
    const small = { SWITCHYARD_BILLING_BATCH_SIZE: '40', SWITCHYARD_ANALYTICS_BATCH_SIZE: '40' };
    const own = { SWITCHYARD_DATA_DIR: join(folder, name), SWITCHYARD_GRPC_PORT: '0', SWITCHYARD_HEALTH_PORT: '0', SWITCHYARD_DRAIN_DELAY_MS: '0' };
    return { ...subject.environment, ...small, ...own };
  }

  function startConsumers(): Promise<Platform> {
    return runTargets({ targets: [billingTarget, analyticsTarget], logger: captureLogger(), environment: environmentOf('here') });
  }

  /** Another instance of billing and analytics, which can be killed. */
  async function startInstance(name: string): Promise<{ readonly origin: string; kill(): Promise<void> }> {
    const port = await freePort();
    const child = spawn(process.execPath, [PROGRAM, 'serve', '--target=billing,analytics', '--stop-with-parent'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env['PATH'] ?? '', ...environmentOf(name), SWITCHYARD_HEALTH_PORT: String(port) },
    });
    children.push(child);
    const origin = `http://127.0.0.1:${port}`;
    await eventually(async () => expect((await request(`${origin}/readyz`)).statusCode).toBe(200), WAIT);
    return {
      origin,
      kill: async () => {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      },
    };
  }

  function command(...commandArguments: string[]): Promise<{ readonly exitCode: number; readonly output: string }> {
    return new Promise((done) => {
      execFile(process.execPath, [PROGRAM, ...commandArguments], { env: { PATH: process.env['PATH'] ?? '', ...environmentOf('command') } }, (error, out, err) =>
        done({ exitCode: error === null ? 0 : Number(error.code), output: `${out}${err}` }),
      );
    });
  }

  async function newCustomer(accountId = ''): Promise<Customer> {
    const account = await platform.port(AccountPort).createAccount({ accountId, name: 'Acme' });
    await platform
      .port(AccountPort)
      .grantCredit({ accountId: account.accountId, amountPico: 1_000_000n, idempotencyKey: 'credit', description: '', isPromotional: false });
    const { key } = await platform.port(KeyPort).createKey(billing.CreateKeyRequest.fromPartial({ accountId: account.accountId, name: 'key' }));
    return { accountId: account.accountId, keyHash: key!.hash };
  }

  const creditsOf = ({ accountId }: Pick<Customer, 'accountId'>) => platform.port(AccountPort).getCredits({ accountId });
  const differences = async () => (await platform.port(LedgerPort).verifyLedger({})).differences;

  async function requestCount({ accountId }: Pick<Customer, 'accountId'>): Promise<bigint> {
    return sumOf(await sql<{ count: bigint }>('SELECT sum(request_count)::bigint AS count FROM analytics.activity_daily WHERE account_id = $1', [accountId]));
  }

  async function sql<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const pool = createPool(subject.databaseUrl, { max: 1 });
    try {
      return (await pool.query<Row>(text, [...values])).rows;
    } finally {
      await pool.end();
    }
  }

  /** Nothing waits any more, for either group. */
  async function untilConsumed(): Promise<void> {
    await eventually(async () => {
      for (const group of ['billing', 'analytics']) {
        const progress = await subject.eventLog.progress(group, USAGE_TOPICS);
        expect(progress.filter(({ nextOffset, endOffset }) => nextOffset < endOffset)).toEqual([]);
      }
    }, WAIT);
  }

  it('share the events among instances that are killed and started in the middle, and each event counts once', async () => {
    const customer = await newCustomer();
    const total = 1_500;
    const records = Array.from({ length: total }, () => usageOf(customer)).flat();
    // Every tenth comes twice, as from a publisher that was not told that it had succeeded.
    const published = [...records, ...records.filter((_, index) => index % 10 === 0)];
    const publishFrom = async (share: number, until: number) => {
      const part = published.slice(Math.floor(share * published.length), Math.floor(until * published.length));
      for (let begin = 0; begin < part.length; begin += 100) await subject.eventLog.publish(part.slice(begin, begin + 100));
    };
    const counted = async () => Number((await creditsOf(customer)).totalUsagePico / PICO_EACH);

    const first = await startInstance('first');
    const publishing = publishFrom(0, 0.5);
    await eventually(async () => expect(await counted()).toBeGreaterThan(0), WAIT);
    await first.kill();
    const second = await startInstance('second');
    await publishing;
    const laterPublishing = publishFrom(0.5, 1);
    await eventually(async () => expect(await counted()).toBeGreaterThan(total / 2), WAIT);
    await second.kill();
    await laterPublishing;
    await untilConsumed();

    expect(await creditsOf(customer)).toMatchObject({ totalUsagePico: BigInt(total) * PICO_EACH });
    expect(await requestCount(customer)).toBe(BigInt(total));
    expect(
      await sql('SELECT count(*)::int AS attempts FROM analytics.attempt JOIN analytics.generation USING (generation_id) WHERE account_id = $1', [
        customer.accountId,
      ]),
    ).toEqual([{ attempts: total }]);
    expect(await differences()).toEqual([]);
  }, 240_000);

  it('tell by group and topic how much waits, and for how long', async () => {
    const { origin, kill } = await startInstance('watched');
    const metrics = await (await request(`${origin}/metrics`)).body.text();
    for (const group of ['billing', 'analytics']) {
      for (const topic of USAGE_TOPICS) {
        for (const unit of ['records', 'seconds'])
          expect(metrics).toMatch(new RegExp(`^switchyard_consumer_lag_${unit}{group="${group}",topic="${topic}"} \\d`, 'm'));
      }
    }
    await kill();
  }, 120_000);

  it('keep an event that nobody can post, and what it says that nobody knows, until a command offers it again', async () => {
    const accountId = `account-${newGenerationId(clock, random)}`;
    const early = chargeRecord({ accountId, keyHash: 'f'.repeat(64) }, { fieldOfTomorrow: { depth: [1, 'ü'] } });
    await subject.eventLog.publish([early]);
    await untilConsumed();
    await expect(creditsOf({ accountId })).rejects.toMatchObject({ type: 'not_found' });
    expect(await command('events', 'replay')).toEqual({ exitCode: 0, output: expect.stringContaining('Published 1 events again.') });
    await untilConsumed();

    await newCustomer(accountId);
    const later = await command('events', 'replay');
    expect(later).toEqual({ exitCode: 0, output: expect.stringContaining('Published 1 events again.') });
    await eventually(async () => expect((await creditsOf({ accountId })).totalUsagePico).toBe(PICO_EACH), WAIT);
    await untilConsumed();
    expect(await requestCount({ accountId })).toBe(1n);
    const stored = [
      ...(await sql<{ body: string }>('SELECT body FROM billing.usage_events WHERE generation_id = $1', [early.key])),
      ...(await sql<{ body: string }>('SELECT body FROM analytics.generation WHERE generation_id = $1', [early.key])),
    ];
    expect(stored.map(({ body }) => (JSON.parse(body) as Record<string, unknown>)['fieldOfTomorrow'])).toEqual([{ depth: [1, 'ü'] }, { depth: [1, 'ü'] }]);
    expect(await command('events', 'replay')).toEqual({ exitCode: 0, output: expect.stringContaining('Published 0 events again.') });
    expect(await differences()).toEqual([]);
  }, 240_000);

  it('come to the same figures of analytics when they are read anew from the beginning', async () => {
    const customer = await newCustomer();
    const dayMs = 86_400_000;
    await subject.eventLog.publish(Array.from({ length: 200 }, (_, index) => usageOf(customer, clock.nowMs() - (index % 3) * dayMs)).flat());
    await untilConsumed();
    const dump = () => Promise.all(TABLES.map((table) => sql(`SELECT to_jsonb(row) AS row FROM analytics.${table} AS row ORDER BY to_jsonb(row)::text`)));
    const before = await dump();
    expect(before.every((rows) => rows.length > 0)).toBe(true);

    // Its consumers would read in vain what is being deleted.
    expect(await command('analytics', 'rebuild')).toEqual({ exitCode: 1, output: expect.stringContaining('has consumers') });
    expect(await dump()).toEqual(before);
    await platform.stop();
    await sql('DELETE FROM analytics.attempt');
    await sql(`UPDATE analytics.activity_daily SET usage_pico = usage_pico * 2`);
    const rebuilt = await eventually(async () => {
      const result = await command('analytics', 'rebuild');
      // Kafka may take a while to see that a consumer is gone.
      expect(result.exitCode).toBe(0);
      return result;
    }, WAIT);
    expect(rebuilt.output).toMatch(/^Read \d+ events and rebuilt everything\.$/m);
    expect(await dump()).toEqual(before);

    platform = await startConsumers();
    await subject.eventLog.publish(usageOf(customer));
    await untilConsumed();
    expect(await requestCount(customer)).toBe(201n);
    expect(await differences()).toEqual([]);
  }, 240_000);
}

/** A generation that cost its price, and its only attempt. */
function usageOf(customer: Customer, timeMs = clock.nowMs()): EventRecord[] {
  const charge = chargeRecord(customer, {}, timeMs);
  const attempt = events.AttemptCompleted.fromPartial({
    eventId: newEventId(clock, random),
    attemptId: attemptId(charge.key, 0),
    generationId: charge.key,
    acceptTimeMs: BigInt(timeMs),
    startTimeMs: BigInt(timeMs),
    endTimeMs: BigInt(timeMs + 500),
    firstTokenMs: 120n,
    outputTokens: 20n,
    accountId: customer.accountId,
    endpointId: 'acme/writer@acme',
    providerSlug: 'acme',
    outcome: events.AttemptOutcome.COMPLETED,
    upstreamStatus: 200,
    usage: { meters: { output_text: 1 }, source: common.UsageSource.PROVIDER },
    costRevision: 'cost-1',
    unitCostsPico: { output_text: 3n },
    costPico: 3n,
    reporter: events.AttemptReporter.WORKER,
  });
  return [charge, encodeAttemptCompleted(attempt, 'test')];
}

function chargeRecord(customer: Customer, addedFields: object, timeMs = clock.nowMs()): EventRecord {
  const event = events.GenerationCompleted.fromPartial({
    eventId: newEventId(clock, random),
    generationId: newGenerationId(clock, random),
    acceptTimeMs: BigInt(timeMs),
    end: events.GenerationEnd.COMPLETED,
    ...customer,
    endpointId: 'acme/writer@acme',
    model: 'acme/writer',
    usage: { meters: { output_text: 1 }, source: common.UsageSource.PROVIDER },
    priceRevision: 'price-1',
    unitPricesPico: { output_text: PICO_EACH },
    chargePico: PICO_EACH,
    chargeLinesPico: { output_text: PICO_EACH },
    finishReason: 'stop',
  });
  const { topic, key, value, headers } = encodeGenerationCompleted(event, 'test');
  return { topic, key, headers, value: JSON.stringify({ ...(JSON.parse(value) as object), ...addedFields }) };
}

function sumOf([row]: readonly { readonly count: bigint | null }[]): bigint {
  return row?.count ?? 0n;
}
