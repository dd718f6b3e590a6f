import { describe, expect, it } from '@jest/globals';
import OpenAI, { APIError } from 'openai';
import { MODELS, type Fixture } from '@switchyard/test-platform';

/** What an application does with OpenAI's own client after changing base URL and key. */
export function openaiClientSuite(fixture: () => Fixture): void {
  const client = () => new OpenAI({ baseURL: fixture().platform.baseUrl, apiKey: fixture().platform.apiKey, maxRetries: 0 });
  const tools: OpenAI.ChatCompletionTool[] = [
    { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } },
    { type: 'function', function: { name: 'calendar', parameters: { type: 'object', properties: { day: { type: 'integer' } }, required: ['day'] } } },
  ];

  describe.each([
    ['OpenAI chat', MODELS.writer],
    ['Anthropic Messages', MODELS.thinker],
    ['Gemini', MODELS.seer],
  ])('openai client over an upstream that speaks %s', (_dialect, model) => {
    it('completes a chat and a tool loop [C03]', async () => {
      const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Use weather and calendar.' }];
      const first = await client().chat.completions.create({ model, messages, tools });
      const calls = first.choices[0]!.message.tool_calls ?? [];
      expect(calls.map((call) => call.type === 'function' && call.function.name)).toEqual(['weather', 'calendar']);
      expect(first.choices[0]!.finish_reason).toBe('tool_calls');
      messages.push(first.choices[0]!.message, ...calls.map((call) => ({ role: 'tool' as const, tool_call_id: call.id, content: '{"ok":true}' })));
      const second = await client().chat.completions.create({ model, messages, tools });
      expect(second.choices[0]!.message.content).toContain('simulated');
      expect(second.model).toBe(model);
    });

    it('streams text whose pieces are the whole answer, with usage at the end [C06]', async () => {
      const prompt = [{ role: 'user' as const, content: 'say 12 words' }];
      const whole = await client().chat.completions.create({ model, messages: prompt });
      const stream = await client().chat.completions.create({ model, messages: prompt, stream: true });
      let text = '';
      let usage: OpenAI.CompletionUsage | null | undefined;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? '';
        usage = chunk.usage ?? usage;
      }
      expect(text).toBe(whole.choices[0]!.message.content);
      expect(usage).toMatchObject({ prompt_tokens: whole.usage!.prompt_tokens, completion_tokens: whole.usage!.completion_tokens });
      expect((usage as unknown as { cost: number }).cost).toBeGreaterThan(0);
    });

    it('streams parallel tool calls whose arguments concatenate to valid JSON [C17]', async () => {
      const stream = await client().chat.completions.create({ model, messages: [{ role: 'user', content: 'Use weather and calendar.' }], tools, stream: true });
      const calls = new Map<number, { name: string; arguments: string }>();
      for await (const chunk of stream) {
        for (const delta of chunk.choices[0]?.delta.tool_calls ?? []) {
          const call = calls.get(delta.index) ?? { name: '', arguments: '' };
          calls.set(delta.index, { name: call.name + (delta.function?.name ?? ''), arguments: call.arguments + (delta.function?.arguments ?? '') });
        }
      }
      expect([...calls.values()].map((call) => [call.name, JSON.parse(call.arguments) as unknown])).toEqual([
        ['weather', { city: 'sample' }],
        ['calendar', { day: 7 }],
      ]);
    });

    it('answers with JSON that fits a strict schema [C18]', async () => {
      const schema = {
        type: 'object',
        properties: { city: { type: 'string' }, degrees: { type: 'number' } },
        required: ['city', 'degrees'],
        additionalProperties: false,
      };
      const answer = await client().chat.completions.create({
        model,
        messages: [{ role: 'user', content: 'The weather as JSON.' }],
        response_format: { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema } },
      });
      expect(JSON.parse(answer.choices[0]!.message.content!)).toEqual({ city: 'sample', degrees: 7 });
    });
  });

  describe('openai client', () => {
    it('completes a legacy prompt, whole and streamed [C05]', async () => {
      const whole = await client().completions.create({ model: MODELS.writer, prompt: 'say 3 words' });
      expect(whole.choices[0]!.text).toBe('word1 word2 word3');
      const stream = await client().completions.create({ model: MODELS.writer, prompt: 'say 3 words', stream: true });
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
      expect(text).toBe('word1 word2 word3');
    });

    it('embeds a batch, with dimensions and base64, and is charged for it [S05]', async () => {
      const floats = await client().embeddings.create({ model: MODELS.embedder, input: ['one', 'two'], dimensions: 16, encoding_format: 'float' });
      expect(floats.data.map((row) => row.embedding.length)).toEqual([16, 16]);
      const decoded = await client().embeddings.create({ model: MODELS.embedder, input: ['one', 'two'], dimensions: 16 });
      expect(decoded.data[1]!.embedding.map((value) => Math.fround(value))).toEqual(floats.data[1]!.embedding.map((value) => Math.fround(value)));
      expect((floats.usage as unknown as { cost: number }).cost).toBeCloseTo((floats.usage.prompt_tokens * 0.1) / 1_000_000, 12);
    });

    it('retrieves a model by its id, with its slash escaped or not', async () => {
      const model = await client().models.retrieve(MODELS.writer);
      expect(model).toMatchObject({ id: MODELS.writer, object: 'model', owned_by: 'acme', created: expect.any(Number) as unknown });
      // As the client for Python asks.
      await expect(client().get(`/models/${MODELS.writer}`)).resolves.toEqual(model);
      await expect(client().models.retrieve('acme/nobody')).rejects.toMatchObject({ status: 404, type: 'not_found_error' });
    });

    it('lists models and reads one error with its code, type and message [E01]', async () => {
      const ids = (await client().models.list()).data.map((model) => model.id);
      expect(ids).toEqual(expect.arrayContaining([MODELS.writer, MODELS.thinker, MODELS.seer]));
      const failure = await client()
        .chat.completions.create({ model: 'acme/nobody', messages: [{ role: 'user', content: 'hi' }] })
        .catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(APIError);
      expect(failure).toMatchObject({ status: 400, type: 'invalid_request_error' });
    });
  });
}
