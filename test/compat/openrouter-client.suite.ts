import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { OpenRouter } from '@openrouter/sdk';
import { NotFoundResponseError, UnauthorizedResponseError } from '@openrouter/sdk/models/errors';
import { MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

/** What an application does with OpenRouter's own client, whose schemas are the strictest reading of the API. */
export function openrouterClientSuite(fixture: () => Fixture): void {
  const client = (apiKey = fixture().platform.apiKey) => new OpenRouter({ serverURL: fixture().platform.baseUrl, apiKey, retryConfig: { strategy: 'none' } });
  const management = () => client(fixture().platform.managementKey);
  const ask = (model: string, content = 'say 6 words') => ({ chatRequest: { model, messages: [{ role: 'user' as const, content }] } });

  describe.each([MODELS.writer, MODELS.thinker, MODELS.seer])('openrouter client with %s', (model) => {
    it('parses a whole answer [C01]', async () => {
      const answer = await client().chat.send({ chatRequest: { ...ask(model).chatRequest, stream: false } });
      if (!('choices' in answer)) throw new Error('a whole answer was expected');
      expect(answer.choices[0]!.message.content).toBe('word1 word2 word3 word4 word5 word6');
      expect(answer.model).toBe(model);
      expect(answer.id).toMatch(/^gen-\d+-[0-9A-Za-z]{20}$/);
    });

    it('iterates over a stream to its end [C02]', async () => {
      const stream = await client().chat.send({ chatRequest: { ...ask(model).chatRequest, stream: true } });
      if (!(Symbol.asyncIterator in stream)) throw new Error('a stream was expected');
      let text = '';
      let cost: number | null | undefined;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? '';
        cost = chunk.usage?.cost ?? cost;
      }
      expect(text).toBe('word1 word2 word3 word4 word5 word6');
      expect(cost).toBeGreaterThan(0);
    });
  });

  describe('openrouter client', () => {
    it('reads the record of a generation, whose tokens and cost equal the answer [G01]', async () => {
      const answer = await client().chat.send({ chatRequest: { ...ask(MODELS.writer).chatRequest, stream: false } });
      if (!('choices' in answer)) throw new Error('a whole answer was expected');
      const { data } = await eventually(() => client().generations.getGeneration({ id: answer.id }));
      expect(data).toMatchObject({
        id: answer.id,
        totalCost: answer.usage!.cost,
        nativeTokensPrompt: answer.usage!.promptTokens,
        nativeTokensCompletion: answer.usage!.completionTokens,
        model: expect.stringContaining(MODELS.writer),
        streamed: false,
        cancelled: false,
      });
    });

    it('creates, lists, reads, changes and deletes a key [K01]', async () => {
      const created = await management().apiKeys.create({ requestBody: { name: 'from a test', limit: 5, limitReset: 'daily' } });
      const { hash } = created.data;
      expect(created.key).toMatch(/^sk-sy-v1-[0-9A-Za-z]{43}$/);
      expect(hash).toBe(createHash('sha256').update(created.key).digest('hex'));
      expect(JSON.stringify(created.data)).not.toContain(created.key);
      expect((await management().apiKeys.list()).data.map((key) => key.hash)).toContain(hash);
      expect((await management().apiKeys.get({ hash })).data).toMatchObject({ name: 'from a test', limit: 5, limitRemaining: 5, limitReset: 'daily' });
      expect((await management().apiKeys.update({ hash, requestBody: { name: 'renamed', limit: 7 } })).data).toMatchObject({ name: 'renamed', limit: 7 });
      expect(await management().apiKeys.delete({ hash })).toEqual({ deleted: true });
      await expect(management().apiKeys.get({ hash })).rejects.toBeInstanceOf(NotFoundResponseError);
    });

    it('refuses a key that nobody knows, and a key of the wrong kind [E02] [K07]', async () => {
      await expect(client('sk-sy-v1-nobody').chat.send(ask(MODELS.writer))).rejects.toBeInstanceOf(UnauthorizedResponseError);
      await expect(client().apiKeys.list()).rejects.toMatchObject({ statusCode: 403 });
      const failure = await management()
        .chat.send(ask(MODELS.writer))
        .catch((error: unknown) => error);
      expect([401, 403]).toContain((failure as { statusCode: number }).statusCode);
    });

    it('describes the calling key and its limits [K05]', async () => {
      const { data } = await client().apiKeys.getCurrentKeyMetadata();
      expect(data).toMatchObject({ isManagementKey: false, isProvisioningKey: false });
      expect(data.rateLimit.requests).toBe(-1);
      expect((await management().apiKeys.getCurrentKeyMetadata()).data.isManagementKey).toBe(true);
    });

    it('reads credits that fall by what an answer cost [K06]', async () => {
      const before = (await management().credits.getCredits()).data;
      const answer = await client().chat.send({ chatRequest: { ...ask(MODELS.writer).chatRequest, stream: false } });
      if (!('choices' in answer)) throw new Error('a whole answer was expected');
      await eventually(async () => {
        const after = (await management().credits.getCredits()).data;
        expect(after.totalCredits).toBe(before.totalCredits);
        expect(after.totalUsage).toBeCloseTo(before.totalUsage + answer.usage!.cost!, 12);
      });
    });

    it('parses models, their count, one model, its endpoints and all providers [M01] [M05] [M08] [M09] [M10]', async () => {
      const ids: string[] = [];
      for await (const page of await client().models.list()) ids.push(...page.result.data.map((model) => model.id));
      expect(ids).toContain(MODELS.writer);
      expect((await client().models.count()).data.count).toBe(new Set(ids).size);
      const { data } = await client().endpoints.list({ author: 'acme', slug: 'writer' });
      expect(data.endpoints.map((endpoint) => endpoint.providerName).sort()).toEqual(['Alpha', 'Beta']);
      expect(data.endpoints.every((endpoint) => typeof endpoint.supportsToolChoice.auto === 'boolean')).toBe(true);
      expect((await client().providers.list()).data.map((provider) => provider.slug)).toEqual(expect.arrayContaining(['alpha', 'beta']));
      expect((await client().models.get({ author: 'acme', slug: 'writer' })).data.id).toBe(MODELS.writer);
    });

    it('embeds [S05]', async () => {
      const answer = await client().embeddings.generate({ requestBody: { model: MODELS.embedder, input: ['one', 'two'] } });
      if (typeof answer === 'string') throw new Error('an object was expected');
      expect(answer.data).toHaveLength(2);
      expect(answer.usage!.cost).toBeGreaterThan(0);
    });
  });
}
