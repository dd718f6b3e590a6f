import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { billingTarget } from '@switchyard/billing/billing.target';
import { AccountPort, billing, KeyPort, LedgerPort } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { chargeOf, costOf, publishUsage } from './billing-events.js';
import { describePort } from './bindings.js';
import { ServedTarget } from './served-target.js';

/** More than a double can hold exactly. */
const ODD_AMOUNT = 9_007_199_254_740_993n;

const DAY_MS = 86_400_000n;

let target: ServedTarget;

beforeAll(async () => {
  target = await ServedTarget.start(billingTarget);
}, 90_000);

afterAll(() => target.close());

async function newCustomer(creditPico: bigint): Promise<{ accountId: string; keyHash: string }> {
  const accounts = target.implementation(AccountPort);
  const { accountId } = await accounts.createAccount({ accountId: '', name: 'Acme' });
  await accounts.grantCredit({ accountId, amountPico: creditPico, idempotencyKey: 'credit', description: '', isPromotional: false });
  const { key } = await target.implementation(KeyPort).createKey(billing.CreateKeyRequest.fromPartial({ accountId, name: 'key' }));
  return { accountId, keyHash: key!.hash };
}

describePort(
  LedgerPort,
  () => target.implementation(LedgerPort),
  ({ port, logger }) => {
    it('explains a generation once it is posted, amounts as text', async () => {
      const charge = chargeOf(await newCustomer(3n * ODD_AMOUNT), 2n * ODD_AMOUNT);
      const explain = () => port.explainGeneration({ generationId: charge.generationId });
      await expect(explain()).rejects.toMatchObject({ type: 'not_found' });
      await publishUsage(target.eventLog, charge, costOf(charge, ODD_AMOUNT));
      const explanation = await eventually(async () => {
        const document = JSON.parse((await explain()).explanationJson) as { attempts: unknown[]; pricing: unknown };
        expect(document.attempts).toHaveLength(1);
        expect(document.pricing).toBeTruthy();
        return document;
      });
      expect(explanation).toMatchObject({
        generationId: charge.generationId,
        pricing: { priceRevision: 'price-1' },
        chargePico: '18014398509481986',
        costPico: '9007199254740993',
        marginPico: '9007199254740993',
      });
    });

    it("explains no generation of another account, and one's own in words too", async () => {
      const customer = await newCustomer(100n);
      const charge = chargeOf(customer, 40n, { metadata: { team: 'red' }, user: 'ann' });
      await publishUsage(target.eventLog, charge);
      const { generationId } = charge;
      const { explanationText } = await eventually(() => port.explainGeneration({ generationId, accountId: customer.accountId }));
      for (const part of [generationId, 'team=red', 'ann', '1 × 0.00000000004 USD', 'price-1']) expect(explanationText).toContain(part);
      await expect(port.explainGeneration({ generationId, accountId: 'another' })).rejects.toMatchObject({ type: 'not_found' });
    });

    it('lists spend, amounts beyond a double exact', async () => {
      const customer = await newCustomer(3n * ODD_AMOUNT);
      const charges = [chargeOf(customer, ODD_AMOUNT, { metadata: { team: 'red' } }), chargeOf(customer, 2n, { metadata: { team: 'blue' } })];
      await publishUsage(target.eventLog, ...charges);
      const dayStartMs = charges[0]!.acceptTimeMs - (charges[0]!.acceptTimeMs % DAY_MS);
      const request = billing.ListSpendRequest.fromPartial({
        accountId: customer.accountId,
        startTimeMs: dayStartMs,
        endTimeMs: dayStartMs + 2n * DAY_MS,
        groupBy: ['key', 'tag:team'],
      });
      await eventually(async () => expect((await port.listSpend(request)).total?.requestCount).toBe(2n));
      const { rows, total, keys } = await port.listSpend(request);
      expect(rows.map(({ group, sums }) => [group, sums?.chargePico])).toEqual([
        [[customer.keyHash, 'blue'], 2n],
        [[customer.keyHash, 'red'], ODD_AMOUNT],
      ]);
      expect([total?.chargePico, keys.map(({ name }) => name)]).toEqual([ODD_AMOUNT + 2n, ['key']]);
      const firstPage = await port.listSpend({ ...request, limit: 1 });
      const secondPage = await port.listSpend({ ...request, limit: 1, cursor: firstPage.nextCursor });
      expect([...firstPage.rows, ...secondPage.rows]).toEqual(rows);
      expect(secondPage.nextCursor).toBe('');
      await expect(port.listSpend({ ...request, groupBy: ['colour'] })).rejects.toMatchObject({ type: 'invalid_request' });
    });

    it("states an account's month", async () => {
      const customer = await newCustomer(3n * ODD_AMOUNT);
      const charge = chargeOf(customer, ODD_AMOUNT);
      await publishUsage(target.eventLog, charge);
      const month = new Date(Number(charge.acceptTimeMs)).toISOString().slice(0, 7);
      const statement = await eventually(async () => {
        const answer = await port.getStatement({ accountId: customer.accountId, month });
        expect(answer.statement?.requestCount).toBe(1n);
        return answer.statement!;
      });
      expect(statement).toMatchObject({
        opening: { creditsPico: 0n, receivablePico: 0n },
        boughtPico: 3n * ODD_AMOUNT,
        chargedPico: ODD_AMOUNT,
        closing: { creditsPico: 2n * ODD_AMOUNT, receivablePico: 0n },
        isProvisional: true,
        differences: [],
      });
      await expect(port.getStatement({ accountId: customer.accountId, month: '2026-13' })).rejects.toMatchObject({ type: 'invalid_request' });
      await expect(port.getStatement({ accountId: 'nobody', month })).rejects.toMatchObject({ type: 'not_found' });
    });

    it('verifies the whole journal and counts it', async () => {
      const before = await port.verifyLedger({});
      expect(before.differences).toEqual([]);
      const charge = chargeOf(await newCustomer(100n), 40n);
      await publishUsage(target.eventLog, charge, costOf(charge, 30n));
      // The grant, the charge and the cost, of two entries each.
      await eventually(async () =>
        expect(await port.verifyLedger({})).toMatchObject({
          differences: [],
          transactionCount: before.transactionCount + 3n,
          entryCount: before.entryCount + 6n,
        }),
      );
    });

    it('shows what people should look at', async () => {
      const charge = chargeOf(await newCustomer(100n), 40n, { flags: ['underestimated'], underestimatedPico: 5n });
      await publishUsage(target.eventLog, charge);
      const found = expect.objectContaining({ subject: expect.stringContaining(charge.generationId) });
      await eventually(async () => expect((await port.verifyLedger({})).flagged).toContainEqual(found));
    });

    it('tells a difference that somebody brought in', async () => {
      const customer = await newCustomer(100n);
      const move = (by: number) =>
        target.pool.query('UPDATE ledger_balances SET balance_pico = balance_pico + $2 WHERE ledger_account = $1', [
          `account:${customer.accountId}:credits`,
          by,
        ]);
      await move(1);
      try {
        const { differences } = await port.verifyLedger({});
        expect(differences).toContainEqual({
          check: 'projection_equals_journal',
          subject: `account:${customer.accountId}:credits`,
          detail: expect.any(String),
        });
      } finally {
        await move(-1);
      }
      expect((await port.verifyLedger({})).differences).toEqual([]);
    });

    it.each(['', 'gen-\u0000', 'x'.repeat(129)])('refuses the generation %j', async (generationId) => {
      await expect(port.explainGeneration({ generationId })).rejects.toMatchObject({ type: 'invalid_request' });
    });

    it('masks what nobody expected', async () => {
      await target.pool.query('ALTER TABLE ledger_balances RENAME TO ledger_balances_away');
      try {
        await expect(port.verifyLedger({})).rejects.toMatchObject({ type: 'server', message: expect.not.stringContaining('ledger_balances') });
        expect(logger.lines.filter(({ level, fields }) => level === 'error' && fields['method'] === 'billing.LedgerService/verifyLedger')).toHaveLength(1);
      } finally {
        await target.pool.query('ALTER TABLE ledger_balances_away RENAME TO ledger_balances');
      }
    });
  },
);
