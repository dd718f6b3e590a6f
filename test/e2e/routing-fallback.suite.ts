import { describe, expect, it } from '@jest/globals';
import type { Fixture } from '@switchyard/test-platform';
import { eventsOf } from '@switchyard/test-platform';
import { RoutingClient } from './routing-client.js';

/** What happens when an endpoint or a model will not answer. */
export function routingFallbackSuite(fixture: () => Fixture): void {
  const client = new RoutingClient(fixture);
  const STAND_IN = { models: ['acme/stand-in'] };

  describe('an endpoint that fails', () => {
    it('is not the first choice for a while, yet stays a fallback [R03]', async () => {
      const failed = await client.withFault('alpha', 'fragile', { kind: 'server_error' }, () => client.chat('fragile', { order: ['alpha', 'beta'] }));
      expect([failed.body.provider, failed.headers['x-switchyard-attempts']]).toEqual(['Beta', '2']);
      const decisions = await Promise.all(Array.from({ length: 20 }, () => client.decide('fragile')));
      for (const { candidates } of decisions) {
        expect(candidates.map((candidate) => candidate.tag)).toEqual(['beta', 'alpha']);
        expect(candidates[1]!.reason).toContain('outage');
      }
      const answers = await Promise.all(Array.from({ length: 20 }, () => client.chat('fragile')));
      expect(answers.map((answer) => answer.body.provider)).toEqual(Array.from({ length: 20 }, () => 'Beta'));
      const rescued = await client.withFault('beta', 'fragile', { kind: 'server_error' }, () => client.chat('fragile'));
      expect([rescued.status, rescued.body.provider]).toEqual([200, 'Alpha']);
    });

    it('with limits makes clients wait for the soonest of the attempts [R41]', async () => {
      const limited = (slug: string, retryAfterSeconds: number, run: () => ReturnType<typeof client.refused>) =>
        client.withFault(slug, 'limited', { kind: 'rate_limit', retryAfterSeconds }, run);
      const answer = await limited('alpha', 30, () => limited('beta', 45, () => client.refused('limited', { order: ['alpha', 'beta'] })));
      expect([answer.status, answer.headers['retry-after']]).toEqual([429, '30']);
      expect(answer.body.error).toMatchObject({
        metadata: { previous_errors: [{ provider: 'Alpha', code: 429 }] },
        availability: {
          code: 'capacity_exhausted',
          retryable: true,
          retry_after: 30,
          requested_models: ['acme/limited'],
          affected_providers: ['Alpha', 'Beta'],
        },
      });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('x-ratelimit'))).toEqual([]);
    });

    it('until later is asked last, and the decision says so [R03 R41]', async () => {
      await client.withFault('alpha', 'exhausted', { kind: 'rate_limit', retryAfterSeconds: 600 }, () =>
        client.chat('exhausted', { order: ['alpha', 'beta'] }),
      );
      const { candidates } = await client.decide('exhausted', { order: ['alpha', 'beta'] });
      expect(candidates.map((candidate) => candidate.tag)).toEqual(['beta', 'alpha']);
      expect(candidates[1]!.reason).toContain('breaker');
      const answer = await client.chat('exhausted', { sort: 'price' });
      expect([answer.body.provider, answer.headers['x-switchyard-attempts']]).toEqual(['Beta', '1']);
    });
  });

  describe('a list of models', () => {
    it.each([
      ['busy', 'alpha', 'rate_limit'],
      ['wordy', 'alpha', 'context_length'],
      ['thinker', 'anthropic-sim', 'context_length'],
      ['seer', 'gemini-sim', 'context_length'],
    ])('goes on when %s at %s answers with %s; model and price are those of the second [R22]', async (model, slug, kind) => {
      const answer = await client.withFault(slug, model, { kind }, () => client.chat(model, undefined, STAND_IN));
      expect([answer.status, answer.body.model, answer.body.provider]).toEqual([200, 'acme/stand-in', 'Beta']);
      expect(answer.headers['x-switchyard-attempts']).toBe('2');
      const { usage } = answer.body;
      expect(usage.cost).toBe(Number((((usage.prompt_tokens + usage.completion_tokens) * 3) / 1e6).toFixed(12)));
    });

    it.each([
      ['closed', 'alpha'],
      ['thinker', 'anthropic-sim'],
      ['seer', 'gemini-sim'],
    ])('goes on when %s at %s refuses what the prompt says, whole and streamed [R23]', async (model, slug) => {
      const refused = await client.withFault(slug, model, { kind: 'moderation' }, () => client.refused(model));
      expect([refused.status, refused.body.error.metadata.error_type]).toEqual([400, 'content_policy_violation']);
      const whole = await client.withFault(slug, model, { kind: 'moderation' }, () => client.chat(model, undefined, STAND_IN));
      expect([whole.status, whole.body.model]).toEqual([200, 'acme/stand-in']);
      const streamed = await client.withFault(slug, model, { kind: 'moderation' }, () => client.chat(model, undefined, { ...STAND_IN, stream: true }));
      const models = new Set(eventsOf<{ model: string }>(streamed.text).map((chunk) => chunk.model));
      expect([...models]).toEqual(['acme/stand-in']);
      expect(streamed.text).toContain('[DONE]');
    });

    it('alone names the models, in order and without repetition [R22]', async () => {
      const { candidates } = await client.decide('', undefined, { model: undefined, models: ['acme/stand-in', 'acme/poet-1', 'acme/stand-in'] });
      expect(candidates.map((candidate) => candidate.model)).toEqual(['acme/stand-in', 'acme/poet-1']);
    });

    it('tells the last error when all fail, and the earlier ones with it [R22]', async () => {
      const answer = await client.withFault('alpha', 'wordy', { kind: 'context_length' }, () =>
        client.withFault('beta', 'stand-in', { kind: 'context_length' }, () => client.refused('wordy', undefined, STAND_IN)),
      );
      expect([answer.status, answer.body.error.metadata.error_type]).toEqual([400, 'context_length_exceeded']);
      expect(answer.body.error.metadata.previous_errors).toMatchObject([{ provider: 'Alpha', code: 400 }]);
    });

    it('may have the spelling of older clients: fallback keeps models apart, sort merges them [R24]', async () => {
      const models = { models: ['acme/ordered'] };
      const named = async (more: object) =>
        (await client.decide('pinned', { sort: 'price' }, { ...models, ...more })).candidates.map(({ model, tag }) => `${model} ${tag}`);
      const apart = ['acme/pinned alpha', 'acme/pinned beta', 'acme/ordered slow', 'acme/ordered alpha', 'acme/ordered beta'];
      expect((await named({ route: 'fallback' })).filter((name) => name.startsWith('acme/ordered'))).toEqual(apart.slice(2));
      expect((await named({ route: 'fallback' })).slice(0, 2).every((name) => name.startsWith('acme/pinned'))).toBe(true);
      expect(await named({ route: 'fallback' })).toEqual(await named({}));
      const merged = await named({ route: 'sort' });
      expect([...merged].sort()).toEqual([...apart].sort());
      expect(merged.indexOf('acme/ordered slow')).toBeLessThan(merged.indexOf('acme/pinned beta'));
      expect(await named({ route: 'sort' })).toEqual(
        (await client.decide('pinned', { sort: { by: 'price', partition: 'none' } }, models)).candidates.map(({ model, tag }) => `${model} ${tag}`),
      );
    });
  });
}
