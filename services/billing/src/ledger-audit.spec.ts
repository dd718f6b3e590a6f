import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newEventId } from '@switchyard/core';
import { billing, common, events } from '@switchyard/proto';
import { realClock } from '@switchyard/testing';
import type { PoolClient } from 'pg';
import type { Billing } from './billing.module.js';
import { BillingFixture, consume, creditScope, keyScope, USD, type Customer } from './fixtures/billing-fixture.js';
import { AUDIT_CHECKS, runAudit, type AuditFinding } from './ledger-audit.store.js';

const { WORKER, INGRESS } = events.AttemptReporter;
const { KEY_LIMIT, KEY_REQUESTS_PER_MINUTE } = billing.LeaseScopeKind;

describe('verifying the ledger', () => {
  let fixture: BillingFixture;
  let instance: Billing;
  let limited: Customer;
  let other: Customer;
  /** Two charges of the limited customer, one of the other; two attempts, the second corrected. */
  let charges: events.GenerationCompleted[];
  let costs: events.AttemptCompleted[];

  beforeAll(async () => {
    fixture = await BillingFixture.start(realClock());
    instance = await fixture.startInstance();
    limited = await fixture.createCustomer(instance, { creditPico: USD, limitPico: USD / 2n, limitReset: billing.LimitReset.DAILY });
    other = await fixture.createCustomer(instance, { creditPico: USD });
    const scopes = [creditScope(limited, 1_000n), keyScope(limited, KEY_LIMIT, 1_000n), keyScope(limited, KEY_REQUESTS_PER_MINUTE, 2n)];
    const { leases } = await fixture.acquire(instance, 'ingress', scopes);
    // The first event settles more against the limit than its charge: such a window counts both.
    const uses = (amount: bigint, beyond = 0n) => leases.map(({ leaseId }, index) => ({ leaseId, amount: [amount, amount + beyond, 1n][index]! }));
    charges = [fixture.charge(limited, 300n, uses(300n, 10n)), fixture.charge(limited, 500n, uses(500n)), fixture.charge(other, 70n, [])];
    const ofAttempt = (generation: number, costPico: bigint, reporter: events.AttemptReporter) =>
      fixture.attempt(limited, charges[generation]!.generationId, costPico, reporter);
    costs = [ofAttempt(0, 20n, WORKER), ofAttempt(1, 30n, INGRESS)];
    await consume(instance.consumer, [...charges, ...costs]);
    await consume(instance.consumer, [ofAttempt(1, 45n, WORKER)]);
    const released = leases.map(({ leaseId, granted }, index) => ({ leaseId, releasedTotal: index === 2 ? 0n : granted - 800n, isClosed: true }));
    await instance.leases.releaseLeases({ holderId: 'ingress', epoch: 1n, releases: released });
  }, 90_000);
  afterAll(() => fixture.close());

  /** What verifying finds after a superuser who keeps triggers from running has changed something; undone afterwards. */
  async function findingsAfter(statements: string): Promise<AuditFinding[]> {
    const client = await fixture.pool.connect();
    try {
      await client.query('BEGIN; SET LOCAL session_replication_role = replica');
      await changeSomething(client, statements);
      return await runAudit(client, AUDIT_CHECKS);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  }

  /** Each statement must hit, or the test would show nothing. */
  async function changeSomething(client: PoolClient, statements: string): Promise<void> {
    for (const statement of statements.split(';').filter((text) => text.trim() !== '')) {
      expect([statement, (await client.query(statement)).rowCount]).not.toEqual([statement, 0]);
    }
  }

  it('finds nothing wrong in sound books', async () => {
    expect(await findingsAfter('SELECT 1')).toEqual([]);
  });

  const chargeId = (index: number): string => `'${charges[index]!.eventId}'`;
  const costId = (index: number): string => `'${costs[index]!.eventId}'`;
  const account = (customer: Customer): string => `'account:${customer.accountId}:credits'`;
  const addTo = (transactionId: string, ledgerAccount: string, amount: number): string =>
    `UPDATE ledger_entries SET amount_pico = amount_pico + ${amount} WHERE transaction_id = ${transactionId} AND ledger_account = ${ledgerAccount};`;
  const recordEvent = (type: string, document: string): string =>
    `INSERT INTO usage_events (event_id, event_type, generation_id, document, recorded_at_ms) VALUES ('${newEventId(fixture.clock, fixture.random)}', '${type}', 'gen-1-x', '${document}', 1)`;
  const creditLease = `kind = 'account_credit' AND leases.scope_id = lease_scopes.scope_id`;

  /** What is broken, which check must tell, by which statements. */
  const BREAKS: readonly (readonly [string, string, () => string])[] = [
    ['two transactions that are out of balance', 'zero_sum', () => addTo(chargeId(0), account(limited), 1) + addTo(chargeId(1), account(limited), -1)],
    [
      'money out of nowhere, balance included',
      'zero_sum',
      () =>
        `${addTo(costId(0), `'provider:acme:payable'`, 1)} UPDATE ledger_balances SET balance_pico = balance_pico + 1 WHERE ledger_account = 'provider:acme:payable'`,
    ],
    ['a transaction that announced more', 'whole_transactions', () => `UPDATE ledger_transactions SET entry_count = 3 WHERE transaction_id = ${chargeId(0)}`],
    [
      'a balance',
      'projection_equals_journal',
      () => `UPDATE ledger_balances SET balance_pico = balance_pico + 1 WHERE ledger_account = 'provider:acme:payable'`,
    ],
    ["a key's day", 'key_usage_equals_charges', () => `UPDATE key_usage_days SET charge_pico = charge_pico + 1 WHERE key_hash = '${other.keyHash}'`],
    ['an end that was never charged', 'one_charge_per_event', () => recordEvent('generation', '{}')],
    [
      'a generation charged twice in the journal',
      'one_charge_per_generation',
      () => `UPDATE ledger_transactions SET generation_id = '${charges[1]!.generationId}' WHERE transaction_id = ${chargeId(0)}`,
    ],
    ['an attempt that was never booked', 'one_cost_per_attempt', () => recordEvent('attempt', '{"attemptId": "gen-1-x:0"}')],
    ['a cost without its event', 'one_cost_per_attempt', () => `DELETE FROM usage_events WHERE event_id = ${costId(0)}`],
    [
      'an attempt booked twice in the journal',
      'one_cost_per_attempt',
      () => `UPDATE ledger_transactions SET reference = '${costs[1]!.attemptId}' WHERE transaction_id = ${costId(0)}`,
    ],
    [
      'what an event says it charged',
      'charges_equal_events',
      () => `UPDATE usage_events SET document = coalesce(document, body::jsonb) || '{"chargePico": "501"}' WHERE event_id = ${chargeId(1)}`,
    ],
    [
      'when an event says it was accepted',
      'charges_equal_events',
      () => `UPDATE usage_events SET document = coalesce(document, body::jsonb) || '{"acceptTimeMs": "1"}' WHERE event_id = ${chargeId(2)}`,
    ],
    [
      'what an attempt says it cost',
      'costs_equal_events',
      () => `UPDATE usage_events SET document = coalesce(document, body::jsonb) || '{"costPico": "21"}' WHERE event_id = ${costId(0)}`,
    ],
    [
      'charges posted with other amounts',
      'charges_equal_postings',
      () =>
        addTo(chargeId(0), account(limited), 1) +
        addTo(chargeId(0), `'platform:revenue:inference'`, -1) +
        addTo(chargeId(1), account(limited), -1) +
        addTo(chargeId(1), `'platform:revenue:inference'`, 1),
    ],
    [
      'costs posted with other amounts',
      'costs_equal_postings',
      () =>
        addTo(costId(0), `'platform:expense:inference:acme'`, 1) +
        addTo(costId(0), `'provider:acme:payable'`, -1) +
        addTo(costId(1), `'platform:expense:inference:acme'`, -1) +
        addTo(costId(1), `'provider:acme:payable'`, 1),
    ],
    [
      "a posting's period",
      'postings_name_their_cause',
      () => `UPDATE ledger_transactions SET accept_time_ms = accept_time_ms + 86400000 WHERE transaction_id = ${chargeId(0)}`,
    ],
    ['a lease that says it is spent and is not', 'lease_sums', () => `UPDATE leases SET released = released - 1 FROM lease_scopes WHERE ${creditLease}`],
    ['a lease neither open nor resolved', 'lease_sums', () => `UPDATE leases SET resolution = NULL FROM lease_scopes WHERE ${creditLease}`],
    ['what a lease settled', 'leases_equal_events', () => `UPDATE leases SET settled = settled + 1 FROM lease_scopes WHERE ${creditLease}`],
    [
      'what a scope holds',
      'holds_equal_leases',
      () => `UPDATE lease_scopes SET held = held + 1 WHERE account_id = '${other.accountId}' AND kind = 'account_credit'`,
    ],
    ['what a quota spent', 'quotas_equal_leases', () => `UPDATE lease_scopes SET spent = spent + 1 WHERE kind = 'key_requests_per_minute'`],
    ["what a key's limit spent", 'limits_equal_charges', () => `UPDATE lease_scopes SET spent = spent + 1 WHERE kind = 'key_limit'`],
    [
      'credit that nobody granted and nobody spent',
      'credit_equals_grants_and_charges',
      () => `UPDATE lease_scopes SET limit_amount = limit_amount + 1, spent = spent + 1 WHERE account_id = '${other.accountId}' AND kind = 'account_credit'`,
    ],
    [
      "a charge posted to another's credit",
      'credit_equals_ledger',
      () => `UPDATE ledger_entries SET ledger_account = ${account(other)} WHERE transaction_id = ${chargeId(0)} AND ledger_account = ${account(limited)};
             UPDATE ledger_balances SET balance_pico = balance_pico - 300, entry_count = entry_count - 1 WHERE ledger_account = ${account(limited)};
             UPDATE ledger_balances SET balance_pico = balance_pico + 300, entry_count = entry_count + 1 WHERE ledger_account = ${account(other)}`,
    ],
    [
      'a grant that was never posted',
      'grants_equal_postings',
      () => `UPDATE credit_grants SET transaction_id = gen_random_uuid() WHERE account_id = '${other.accountId}'`,
    ],
    [
      'what an account has bought',
      'purchases_equal_grants',
      () => `UPDATE accounts SET purchased_pico = purchased_pico + 1 WHERE account_id = '${other.accountId}'`,
    ],
  ];

  it.each(BREAKS)('finds %s, by %s alone', async (_, check, statements) => {
    const findings = await findingsAfter(statements());
    expect(findings.length).toBeGreaterThan(0);
    expect(new Set(findings.map((finding) => finding.check))).toEqual(new Set([check]));
    expect(findings.every(({ subject, detail }) => subject !== '' && detail !== '')).toBe(true);
  });

  it('has seen every check fail', () => {
    expect(new Set(BREAKS.map(([, check]) => check))).toEqual(new Set(AUDIT_CHECKS.map(({ name }) => name)));
  });

  it('lists no more than a hundred of what is wrong', async () => {
    const events = Array.from({ length: 130 }, () => recordEvent('generation', '{}')).join(';');
    expect(await findingsAfter(events)).toHaveLength(100);
  });

  it('ends when nobody waits for it any more, and leaves room for other reports', async () => {
    const leave = new AbortController();
    const verifying = instance.ledger.verifyLedger({}, { signal: leave.signal });
    leave.abort(new Error('gone'));
    await expect(verifying).rejects.toThrow('gone');
    expect((await instance.ledger.verifyLedger()).differences).toEqual([]);
  });

  it('tells what was checked, what it came to, and what is flagged, with how many and which', async () => {
    const customer = await fixture.createCustomer(instance, { creditPico: 10n });
    const flagged = Array.from({ length: 25 }, (_, index) =>
      fixture.charge(customer, 0n, [], {
        flags: ['delivery_unconfirmed', ...(index === 24 ? ['usage_estimated'] : [])],
        usage: { meters: {}, source: common.UsageSource.PROVIDER },
      }),
    );
    const estimated = fixture.attempt(customer, flagged[0]!.generationId, 7n, INGRESS);
    await consume(instance.consumer, [...flagged, estimated]);
    const { differences, flagCounts, checks, totals } = await instance.ledger.verifyLedger();
    expect(differences).toEqual([]);
    expect(checks).toEqual(AUDIT_CHECKS.map(({ name }) => name));
    const countOf = (flag: string) => flagCounts.find((found) => found.flag === flag);
    expect(countOf('delivery_unconfirmed')).toMatchObject({ count: 25n });
    expect(countOf('delivery_unconfirmed')!.newest).toHaveLength(20);
    expect(countOf('usage_estimated')).toEqual({ flag: 'usage_estimated', count: 1n, newest: [flagged[24]!.generationId] });
    expect(countOf('cost_estimated')).toEqual({ flag: 'cost_estimated', count: 1n, newest: [estimated.attemptId] });
    expect(countOf('cost_corrected')).toEqual({ flag: 'cost_corrected', count: 1n, newest: [costs[1]!.attemptId] });
    const amounts = new Map(totals.map(({ name, amountPico }) => [name, amountPico]));
    expect(amounts.get('charged by events')).toBe('870');
    expect(amounts.get('charged in the ledger')).toBe('870');
    expect(amounts.get('cost by attempts')).toBe('72');
    expect(amounts.get('cost in the ledger')).toBe('72');
    expect(amounts.get('all entries')).toBe('0');
  });
});
