import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newEventId, newGenerationId } from '@switchyard/core';
import { encodeGenerationCompleted, EVENT_LOG_SCHEMA, PostgresEventLog, TOPICS, type EventLog } from '@switchyard/events';
import { AccountPort, billing, common, events, KeyPort, LeasePort, LedgerPort } from '@switchyard/proto';
import { runTargets, type Platform } from '@switchyard/runtime';
import { captureLogger, eventually, realClock, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import { runMigrations } from '@switchyard/db';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { billingTarget } from './billing.target.js';

const clock = realClock();
const random = { nextFloat: () => 0, bytes: (length: number) => new Uint8Array(randomBytes(length)) };

describe('the billing target', () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-billing-'));
  let postgres: TestPostgres;
  let platform: Platform;
  let eventLog: EventLog;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    await runMigrations(postgres.url, EVENT_LOG_SCHEMA);
    platform = await runTargets({
      targets: [billingTarget],
      logger: captureLogger(),
      environment: {
        SWITCHYARD_DATABASE_URL: postgres.url,
        SWITCHYARD_DATA_DIR: folder,
        SWITCHYARD_GRPC_PORT: '0',
        SWITCHYARD_HEALTH_PORT: '0',
        SWITCHYARD_DRAIN_DELAY_MS: '0',
      },
    });
    eventLog = new PostgresEventLog({ url: postgres.url, logger: captureLogger() });
  }, 90_000);
  afterAll(async () => {
    await eventLog.close();
    await platform.stop();
    await postgres.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is ready, serves its ports and posts what the event log brings; what cannot be posted becomes a dead letter', async () => {
    expect(platform.readiness()).toMatchObject({ ready: true, degraded: false });
    const { accountId } = await platform.port(AccountPort).createAccount({ accountId: '', name: 'Test' });
    await platform.port(AccountPort).grantCredit({ accountId, amountPico: 1_000n, idempotencyKey: 'first', description: '', isPromotional: false });
    const { key } = await platform.port(KeyPort).createKey(billing.CreateKeyRequest.fromPartial({ accountId, name: 'key' }));
    const scope = billing.LeaseScope.fromPartial({ kind: billing.LeaseScopeKind.ACCOUNT_CREDIT, accountId });
    const { leases } = await platform.port(LeasePort).acquireLeases({
      holderId: 'ingress',
      epoch: 1n,
      requestId: 'one',
      scopes: [{ scope, amountNeeded: 100n, recentSpend: 0n }],
      acceptTimeMs: BigInt(clock.nowMs()),
    });
    const charge = events.GenerationCompleted.fromPartial({
      eventId: newEventId(clock, random),
      generationId: newGenerationId(clock, random),
      acceptTimeMs: BigInt(clock.nowMs()),
      end: events.GenerationEnd.COMPLETED,
      accountId,
      keyHash: key!.hash,
      leases: [{ leaseId: leases[0]!.leaseId, amount: 60n }],
      usage: { meters: { output_text: 6 }, source: common.UsageSource.PROVIDER },
      unitPricesPico: { output_text: 10n },
      chargePico: 60n,
    });
    const wrong = { ...charge, eventId: newEventId(clock, random), generationId: newGenerationId(clock, random), chargePico: 61n };
    const deadLetters: string[] = [];
    await eventLog.subscribe({
      group: 'test',
      topics: [TOPICS.deadLetter],
      maxBatchSize: 10,
      handler: async (batch) => void deadLetters.push(...batch.map((record) => record.key)),
    });
    await eventLog.publish([encodeGenerationCompleted(wrong, 'test'), encodeGenerationCompleted(charge, 'test')]);
    await eventually(async () =>
      expect(await platform.port(AccountPort).getCredits({ accountId })).toEqual({
        totalCreditsPico: 1_000n,
        totalUsagePico: 60n,
        heldPico: 40n,
        receivablePico: 0n,
      }),
    );
    await eventually(() => expect(deadLetters).toEqual([wrong.generationId]));
    await platform.port(LeasePort).closeEpoch({ holderId: 'ingress', epoch: 1n });
    await eventually(async () => expect((await platform.port(AccountPort).getCredits({ accountId })).heldPico).toBe(0n));
    expect(await platform.port(LedgerPort).verifyLedger({})).toMatchObject({ differences: [], transactionCount: 2n, entryCount: 4n });
  });
});
