import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPortClient } from '@switchyard/grpc';
import { AccountPort, billing } from '@switchyard/proto';
import { call, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { RoutingClient } from './routing-client.js';

/** What an account and a key add to every request of theirs. */
export function routingPolicySuite(fixture: () => Fixture): void {
  const client = new RoutingClient(fixture);

  describe('an account', () => {
    let accounts: ReturnType<typeof createPortClient<AccountPort>>;
    const update = (facts: object) =>
      accounts.port.updateAccount(
        billing.UpdateAccountRequest.fromPartial({
          accountId: client.platform.accountId,
          updateMask: ['zdr', 'allowed_providers', 'ignored_providers'],
          ...facts,
        }),
      );

    beforeAll(() => {
      accounts = createPortClient(AccountPort, client.platform.grpcAddresses!['billing']!);
    });
    afterAll(async () => {
      await update({});
      await eventually(async () => expect(await client.choice('private')).toHaveLength(3));
      accounts.close();
    });

    it('that keeps nothing cannot be relaxed by a request [R15]', async () => {
      await update({ zdr: true });
      await eventually(async () => expect(await client.choice('private')).toEqual(['slow']));
      expect(await client.choice('private', { zdr: false, data_collection: 'allow' })).toEqual(['slow']);
      expect((await client.chat('private', { zdr: false })).body.provider).toBe('Slow');
      const answer = await client.refused('leaky', { zdr: false });
      expect([answer.status, answer.body.error.availability!.code]).toEqual([404, 'privacy_restricted']);
    });

    it('that allows some providers narrows what a request names [R06]', async () => {
      await update({ allowedProviders: ['alpha', 'beta'] });
      await eventually(async () => expect(await client.choice('ordered')).toEqual(['alpha', 'beta']));
      expect(await client.choice('ordered', { only: ['beta', 'slow'] })).toEqual(['beta']);
      const answer = await client.refused('ordered', { only: ['slow'] });
      expect(answer.status).toBe(404);
      expect(answer.body.error.availability).toMatchObject({ code: 'no_endpoints', excluded_by: ['allowed_providers'] });
      await update({ ignoredProviders: ['beta'] });
      await eventually(async () => expect(await client.choice('ordered')).toEqual(['alpha', 'slow']));
      expect((await client.refused('ordered', { only: ['beta'] })).body.error.availability).toMatchObject({ code: 'no_endpoints' });
    });
  });

  it('a key with a list of models serves only these', async () => {
    const { baseUrl, managementKey } = client.platform;
    const { body } = await call<{ key: string; data: { hash: string } }>(baseUrl, '/keys', {
      key: managementKey,
      body: { name: 'poets only', allowed_models: ['acme/poet-1', 'acme/gift:free'] },
    });
    expect((await client.chat('poet-1', {}, {}, body.key)).status).toBe(200);
    expect((await client.chat('gift:free', {}, {}, body.key)).status).toBe(200);
    for (const model of ['poet-2', 'gift']) {
      const answer = await client.refused(model, {}, {}, body.key);
      expect(answer.status).toBe(404);
      expect(answer.body.error.availability).toMatchObject({ excluded_by: ['allowed_models'] });
    }
    const answer = await client.chat('poet-2', {}, { models: ['acme/poet-1'] }, body.key);
    expect(answer.body.model).toBe('acme/poet-1');
    await call(baseUrl, `/keys/${body.data.hash}`, { key: managementKey, method: 'PATCH', body: { allowed_models: ['acme/*'] } });
    await eventually(async () => expect((await client.chat('poet-2', {}, {}, body.key)).status).toBe(200));
  });
}
