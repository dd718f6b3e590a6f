import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Customer, startLoad, type SteadyLoad } from '@switchyard/test-platform';
import { freePort } from '@switchyard/testing';
import { BOASTFUL, TALKATIVE_EMBEDDER, TEST_TIMEOUT_MS, type FaultSuite } from './alert-stage.js';

export const moneySuite: FaultSuite = (stage) => {
  describe('money', () => {
    let rich: Customer;
    let poor: Customer;
    beforeAll(async () => {
      rich = await Customer.create(stage().platform, '10000');
      poor = await Customer.create(stage().platform, '0.2');
    }, TEST_TIMEOUT_MS);
    afterAll(() => [rich, poor].forEach((customer) => customer.close()));

    const boast = (words: number, maxTokens: number) => ({
      model: BOASTFUL,
      max_tokens: maxTokens,
      messages: [{ role: 'user', content: `say ${words} words` }],
    });

    it(
      'a key that spends much more than usual',
      async () => {
        const { baseUrl } = stage().platform;
        let load: SteadyLoad | undefined;
        await stage().expectUnder(
          ['SwitchyardKeySpendBurnsFast', 'SwitchyardKeySpendBurnsSlowly'],
          () => void (load = startLoad(2, () => ({ baseUrl, key: rich.apiKey, path: '/chat/completions', body: boast(400, 4_000) }))),
          () => load?.stop(),
        );
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'a provider that counts more than it was allowed to write',
      () =>
        stage().expectUnder(
          ['SwitchyardChargedAboveReservation', 'SwitchyardOverdraft'],
          async () => expect(await poor.call('/chat/completions', { body: boast(400, 20) })).toMatchObject({ status: 200 }),
          () => poor.grant('10'),
        ),
      TEST_TIMEOUT_MS,
    );

    it(
      'a provider that counts what has no price',
      () =>
        stage().expectUnder(['SwitchyardPriceMissing'], async () =>
          expect(await rich.call('/embeddings', { body: { model: TALKATIVE_EMBEDDER, input: 'text' } })).toMatchObject({ status: 200 }),
        ),
      TEST_TIMEOUT_MS,
    );

    it('a ledger that cannot be read', () => stage().expectUnderLock('billing.charges', ['SwitchyardLedgerUnchecked']), TEST_TIMEOUT_MS);

    it(
      'a ledger in which somebody wrote',
      async () => {
        const change = (by: number) =>
          stage().pool.query(`UPDATE billing.ledger_balances SET balance_pico = balance_pico + $1 WHERE ledger_account = 'platform:revenue:inference'`, [by]);
        await stage().expectUnder(
          ['SwitchyardLedgerDiffers'],
          () => change(1),
          () => change(-1),
        );
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'an ingress that dies with charges nobody heard of, and one that tells of them later',
      async () => {
        await using ingress = stage().furtherIngress();
        await stage().expectUnder(['SwitchyardLeaseAbandoned'], async () => {
          // There is no Kafka: what it serves stays in its spool.
          ingress.start({ KAFKA_BROKERS: `127.0.0.1:${await freePort()}` });
          await ingress.serves();
          await ingress.kill();
        });
        await stage().expectUnder(
          ['SwitchyardChargedLate'],
          () => ingress.start(),
          () => ingress.kill(),
        );
      },
      TEST_TIMEOUT_MS,
    );
  });
};
