import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { billing, events } from '@switchyard/proto';
import { realClock, seededRandom } from '@switchyard/testing';
import type { Billing } from './billing.module.js';
import { BillingFixture, consume, creditScope, keyScope, USD, type Customer } from './fixtures/billing-fixture.js';

const { WORKER, INGRESS } = events.AttemptReporter;
const { KEY_LIMIT, KEY_REQUESTS_PER_MINUTE, ACCOUNT_TOKENS_PER_MINUTE } = billing.LeaseScopeKind;
const { DAILY, WEEKLY, UNSPECIFIED } = billing.LimitReset;
const TWO_DAYS_MS = 2 * 86_400_000;

/** A snapshot of a moment in which everything moves must look as sound as one at rest. */
describe('verifying a ledger that is in use', () => {
  let fixture: BillingFixture;
  let instances: Billing[];
  let offsetMs = 0;
  let customers: Customer[];

  beforeAll(async () => {
    const clock = realClock();
    fixture = await BillingFixture.start({ nowMs: () => clock.nowMs() + offsetMs, monotonicMs: () => clock.monotonicMs() });
    instances = [await fixture.startInstance(), await fixture.startInstance()];
    customers = await Promise.all(
      [0, 1, 2].map((index) =>
        fixture.createCustomer(instances[0]!, { creditPico: USD / 1_000n, limitPico: USD, limitReset: [DAILY, WEEKLY, UNSPECIFIED][index]! }),
      ),
    );
  }, 90_000);
  afterAll(() => fixture.close());

  /** One holder: leases, charges of too little and too much, estimates and corrections, releases, grants, changed limits. */
  async function spend(holder: number, isRunning: () => boolean): Promise<void> {
    const random = seededRandom(holder + 1);
    const upTo = (most: number): bigint => BigInt(Math.floor(random.nextFloat() * most));
    for (let round = 0; isRunning(); round++) {
      const instance = instances[(holder + round) % 2]!;
      const customer = customers[round % customers.length]!;
      const scopes = [
        creditScope(customer, 10_000n, 20_000n),
        keyScope(customer, KEY_LIMIT, 10_000n, 0n),
        keyScope(customer, KEY_REQUESTS_PER_MINUTE, 1n),
        { scope: billing.LeaseScope.fromPartial({ kind: ACCOUNT_TOKENS_PER_MINUTE, accountId: customer.accountId }), amountNeeded: 50n, recentSpend: 0n },
      ];
      const { leases } = await fixture.acquire(instance, `holder-${holder}`, scopes);
      const chargePico = upTo(13_000);
      const uses = leases.map(({ leaseId }, index) => ({ leaseId, amount: [chargePico, chargePico, 1n, 30n][index]! }));
      const charge = fixture.charge(customer, chargePico, uses);
      const estimate = fixture.attempt(customer, charge.generationId, upTo(9_000), INGRESS);
      const report = fixture.attempt(customer, charge.generationId, upTo(9_000), WORKER);
      const releases = leases.map(({ leaseId, granted }) => ({
        leaseId,
        releasedTotal: granted > 15_000n ? granted - 15_000n : 0n,
        isClosed: round % 2 === 0,
      }));
      await Promise.all([
        consume(instance.consumer, [charge, estimate]),
        consume(instances[(holder + round + 1) % 2]!.consumer, [report]),
        instance.leases.releaseLeases({ holderId: `holder-${holder}`, epoch: 1n, releases }),
      ]);
      if (round % 5 === 0) await fixture.grantCredit(instance, customer.accountId, 1n + upTo(30_000));
      if (round % 7 === 0) await lowerLimit(instance, customer, USD - upTo(1_000));
    }
  }

  async function lowerLimit(instance: Billing, customer: Customer, limitPico: bigint): Promise<void> {
    const { accountId, keyHash: hash } = customer;
    await instance.keys.updateKey(billing.UpdateKeyRequest.fromPartial({ accountId, hash, updateMask: ['limit_pico'], limitPico }));
  }

  /** Verifies again and again while four holders spend, until it has seen this many different moments. */
  async function verifyUnderLoad(moments: number, alongside: () => Promise<unknown>): Promise<void> {
    let isRunning = true;
    const spenders = [0, 1, 2, 3].map((holder) => spend(holder, () => isRunning));
    const counts = new Set<bigint>();
    try {
      for (let round = 0; counts.size < moments; round++) {
        const [{ differences, transactionCount }] = await Promise.all([instances[round % 2]!.ledger.verifyLedger(), alongside()]);
        expect(differences).toEqual([]);
        counts.add(transactionCount);
      }
    } finally {
      isRunning = false;
      await Promise.all(spenders);
    }
  }

  it('raises no false alarm while leases are granted, settled and given back', async () => {
    await verifyUnderLoad(8, () => Promise.resolve());
  }, 120_000);

  it('raises none while leases are abandoned and old windows dropped', async () => {
    offsetMs += TWO_DAYS_MS;
    const keepHouse = async (instance: Billing): Promise<void> => {
      await instance.expiry.abandonLeases();
      await instance.expiry.keepHouse();
    };
    await verifyUnderLoad(8, () => Promise.all(instances.map(keepHouse)));
    const { rows } = await fixture.pool.query(`SELECT 1 FROM lease_scopes WHERE kind <> 'key_limit' AND window_end_ms < $1`, [
      fixture.clock.nowMs() - TWO_DAYS_MS / 2,
    ]);
    expect(rows).toEqual([]);
    const { differences, flagCounts } = await instances[0]!.ledger.verifyLedger();
    expect(differences).toEqual([]);
    expect(flagCounts.map(({ flag }) => flag)).toEqual(expect.arrayContaining(['cost_corrected', 'abandoned_lease']));
  }, 120_000);
});
