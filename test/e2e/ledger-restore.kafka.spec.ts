import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { analyticsTarget } from '@switchyard/analytics/analytics.target';
import { billingTarget } from '@switchyard/billing/billing.target';
import { attemptId, newEventId, newGenerationId } from '@switchyard/core';
import { createPool } from '@switchyard/db';
import { encodeAttemptCompleted, encodeGenerationCompleted, KafkaEventLog, TOPICS, type EventRecord } from '@switchyard/events';
import { AccountPort, billing, common, events, KeyPort, LeasePort, LedgerPort } from '@switchyard/proto';
import { runTargets, type Platform } from '@switchyard/runtime';
import { captureLogger, eventually, realClock, seededRandom, startTestKafka, type TestKafka } from '@switchyard/testing';
import { ArchivingPostgres } from './archiving-postgres.js';

const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');
const USAGE_TOPICS = [TOPICS.generationCompleted, TOPICS.attemptCompleted];
const WAIT = { timeoutMs: 60_000, intervalMs: 50 };
const CREDIT_PICO = 1_000_000n;
const PICO_EACH = 7n;
const clock = realClock();
const random = seededRandom(clock.nowMs());

/** The drill of docs/guides/operate.md: the database is lost and comes back as of a moment before; Kafka has what happened since. */
describe('a ledger that is restored to a moment of the past', () => {
  const postgres = new ArchivingPostgres();
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-restore-'));
  let kafka: TestKafka;
  let eventLog: KafkaEventLog;
  let platform: Platform;
  beforeAll(async () => {
    kafka = await startTestKafka();
    await postgres.start();
    eventLog = new KafkaEventLog({ brokers: kafka.brokers, clientId: 'ledger-restore', logger: captureLogger(), topicPrefix: kafka.topicPrefix });
    platform = await startConsumers();
  }, 500_000);
  afterAll(async () => {
    await platform?.stop();
    await eventLog?.close();
    await postgres.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  const environment = (): Record<string, string> => ({
    SWITCHYARD_DATABASE_URL: postgres.url,
    KAFKA_BROKERS: kafka.brokers.join(','),
    SWITCHYARD_KAFKA_TOPIC_PREFIX: kafka.topicPrefix,
    SWITCHYARD_DATA_DIR: folder,
    SWITCHYARD_GRPC_PORT: '0',
    SWITCHYARD_HEALTH_PORT: '0',
    SWITCHYARD_DRAIN_DELAY_MS: '0',
  });
  const startConsumers = (): Promise<Platform> =>
    runTargets({ targets: [billingTarget, analyticsTarget], logger: captureLogger(), environment: environment() });

  /** As in the pod of a worker, which knows Kafka alone. */
  function command(...commandArguments: string[]): Promise<{ readonly exitCode: number; readonly output: string }> {
    const env = { PATH: process.env['PATH'] ?? '', ...environment(), SWITCHYARD_DATABASE_URL: '' };
    return new Promise((done) => {
      execFile(process.execPath, [PROGRAM, ...commandArguments], { env }, (error, out, err) =>
        done({ exitCode: error === null ? 0 : Number(error.code), output: `${out}${err}` }),
      );
    });
  }

  async function untilConsumed(): Promise<void> {
    await eventually(async () => {
      for (const group of ['billing', 'analytics']) {
        const progress = await eventLog.progress(group, USAGE_TOPICS);
        expect(progress.filter(({ nextOffset, endOffset }) => nextOffset < endOffset)).toEqual([]);
      }
    }, WAIT);
  }

  async function newAccount(): Promise<string> {
    const { accountId } = await platform.port(AccountPort).createAccount({ accountId: '', name: 'Acme' });
    await platform
      .port(AccountPort)
      .grantCredit({ accountId, amountPico: CREDIT_PICO, idempotencyKey: `credit of ${accountId}`, description: '', isPromotional: false });
    return accountId;
  }

  async function newKey(accountId: string): Promise<string> {
    const { key } = await platform.port(KeyPort).createKey(billing.CreateKeyRequest.fromPartial({ accountId, name: 'key' }));
    return key!.hash;
  }

  async function acquire(accountId: string): Promise<string> {
    const scope = billing.LeaseScope.fromPartial({ kind: billing.LeaseScopeKind.ACCOUNT_CREDIT, accountId });
    const { leases } = await platform.port(LeasePort).acquireLeases(
      billing.AcquireLeasesRequest.fromPartial({
        holderId: 'ingress',
        epoch: 1n,
        requestId: newEventId(clock, random),
        scopes: [{ scope, amountNeeded: 1_000n }],
        acceptTimeMs: BigInt(clock.nowMs()),
      }),
    );
    return leases[0]!.leaseId;
  }

  const creditsOf = (accountId: string) => platform.port(AccountPort).getCredits({ accountId });
  const differences = async () => (await platform.port(LedgerPort).verifyLedger({})).differences;
  async function requestCount(accountId: string): Promise<bigint> {
    const pool = createPool(postgres.url, { max: 1 });
    try {
      const text = 'SELECT coalesce(sum(request_count), 0)::bigint AS count FROM analytics.activity_daily WHERE account_id = $1';
      return (await pool.query<{ count: bigint }>(text, [accountId])).rows[0]!.count;
    } finally {
      await pool.end();
    }
  }

  it('has every charge once after the events were read again, and its books hold', async () => {
    const accountId = await newAccount();
    const [keyHash, revoked] = [await newKey(accountId), await newKey(accountId)];
    const earlyLease = await acquire(accountId);
    await eventLog.publish(usage({ accountId, keyHash, leases: [{ leaseId: earlyLease, amount: PICO_EACH }] }, 200));
    await untilConsumed();
    await postgres.backUp();

    await eventLog.publish(usage({ accountId, keyHash }, 100));
    await untilConsumed();
    const target = await postgres.archiveUntilNow();

    // What the restored database will not know: charges, a lease that some of them name, a revoked key, an account, credit.
    const lateLease = await acquire(accountId);
    await platform.port(KeyPort).deleteKey({ accountId, hash: revoked });
    const lateAccount = await newAccount();
    const lateKey = await newKey(lateAccount);
    await eventLog.publish(usage({ accountId, keyHash, leases: [{ leaseId: lateLease, amount: PICO_EACH }] }, 50));
    await eventLog.publish(usage({ accountId: lateAccount, keyHash: lateKey }, 10));
    await untilConsumed();
    expect(await creditsOf(accountId)).toMatchObject({ totalUsagePico: 350n * PICO_EACH });
    expect(await command('events', 'rewind', '--group=billing')).toEqual({ exitCode: 1, output: expect.stringContaining('has consumers') });
    await platform.stop();
    await postgres.lose();

    await postgres.restore(target);
    for (const group of ['billing', 'analytics']) {
      const rewound = await eventually(async () => {
        const result = await command('events', 'rewind', `--group=${group}`);
        // Kafka may take a while to see that a consumer is gone.
        expect(result.exitCode).toBe(0);
        return result;
      }, WAIT);
      expect(rewound.output).toContain(`When ${group} starts it reads 720 events once more, all there ever were.`);
    }
    platform = await startConsumers();
    await untilConsumed();

    expect(await creditsOf(accountId)).toMatchObject({ totalUsagePico: 350n * PICO_EACH });
    expect(await requestCount(accountId)).toBe(350n);
    expect(await differences()).toEqual([]);
    // Management calls are in no event: they are lost, and who makes them has to repeat them.
    const { key } = await platform.port(KeyPort).getKey({ accountId, hash: revoked });
    expect(key).toMatchObject({ key: { deleted: false } });
    await expect(creditsOf(lateAccount)).rejects.toMatchObject({ type: 'not_found' });
    expect(await requestCount(lateAccount)).toBe(10n);

    // The charges of an account that was lost wait as dead letters until it is there again.
    await platform.port(AccountPort).createAccount({ accountId: lateAccount, name: 'Acme' });
    await platform
      .port(AccountPort)
      .grantCredit({ accountId: lateAccount, amountPico: CREDIT_PICO, idempotencyKey: 'again', description: '', isPromotional: false });
    const replayed = await command('events', 'replay');
    expect(replayed).toEqual({ exitCode: 0, output: expect.stringMatching(/Published \d+ events again\./) });
    await untilConsumed();
    await eventually(async () => expect(await creditsOf(lateAccount)).toMatchObject({ totalUsagePico: 10n * PICO_EACH }), WAIT);
    expect(await creditsOf(accountId)).toMatchObject({ totalUsagePico: 350n * PICO_EACH });
    expect(await requestCount(lateAccount)).toBe(10n);
    expect(await differences()).toEqual([]);
  }, 300_000);
});

type Customer = Pick<events.GenerationCompleted, 'accountId' | 'keyHash'> & Partial<Pick<events.GenerationCompleted, 'leases'>>;

/** So many generations, each with its only attempt. */
function usage(customer: Customer, count: number): EventRecord[] {
  return Array.from({ length: count }, () => {
    const timeMs = clock.nowMs();
    const generationId = newGenerationId(clock, random);
    const charge = events.GenerationCompleted.fromPartial({
      eventId: newEventId(clock, random),
      generationId,
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
    const attempt = events.AttemptCompleted.fromPartial({
      eventId: newEventId(clock, random),
      attemptId: attemptId(generationId, 0),
      generationId,
      acceptTimeMs: BigInt(timeMs),
      startTimeMs: BigInt(timeMs),
      endTimeMs: BigInt(timeMs + 500),
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
    return [encodeGenerationCompleted(charge, 'test'), encodeAttemptCompleted(attempt, 'test')];
  }).flat();
}
