import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, eventsOf, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { CREDENTIAL } from './canary.suite.js';
import type { OtlpReceiver, ReceivedSpan } from './otlp-receiver.js';
import { findSecrets, logTexts, metricTexts, rowTexts, withDatabase } from './secret-search.js';

/** What a deployment says that lets keys have their content in traces. */
export const CONTENT_ALLOWED = { SWITCHYARD_TRACE_CONTENT: 'true' };
export const CONTENT_ATTRIBUTES = ['gen_ai.system_instructions', 'gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.tool.definitions'];

const MARK = 'marked51d0e8';
const MAX_ATTRIBUTE_BYTES = 32 * 1024;
const TOOLS = [{ type: 'function', function: { name: 'lookup', description: `${MARK} tool`, parameters: { type: 'object', properties: {} } } }];
const PICTURE = Buffer.from('a picture '.repeat(300)).toString('base64');

/** Content stands on the spans of attempts where deployment and key both say so, within bounds, and nowhere else. */
export function contentCaptureSuite(fixture: () => Fixture, receiver: () => OtlpReceiver): void {
  describe('content of a key that wants it in traces', () => {
    let customer: Customer;
    let key: string;
    beforeAll(async () => {
      customer = await Customer.create(fixture().platform, '5');
      key = (await customer.newKey({ include_content_in_traces: true })).secret;
    }, 60_000);
    afterAll(() => customer.close());

    const chat = async (body: object, headers: Record<string, string> = {}) => {
      const answer = await call(fixture().platform.baseUrl, '/chat/completions', { key, body, headers });
      expect(answer.status).toBe(200);
      return answer;
    };
    const attemptsOf = ({ headers }: { readonly headers: Readonly<Record<string, unknown>> }): Promise<ReceivedSpan[]> =>
      eventually(
        () => {
          const spans = receiver().ofTrace(String(headers['x-switchyard-trace-id']));
          expect(spans.map(({ name }) => name)).toContain('gateway.request');
          const attempts = spans.filter(
            ({ kind, parentSpanId }) => kind === 'client' && spans.find(({ spanId }) => spanId === parentSpanId)?.name === 'gateway.request',
          );
          expect(attempts.length).toBeGreaterThan(0);
          return attempts;
        },
        { timeoutMs: 20_000 },
      );
    const contentOf = async (answer: Parameters<typeof attemptsOf>[0]): Promise<Record<string, unknown>> => {
      const { attributes } = (await attemptsOf(answer)).at(-1)!;
      const present = CONTENT_ATTRIBUTES.filter((name) => attributes[name] !== undefined);
      return Object.fromEntries(present.map((name) => [name, JSON.parse(attributes[name] as string) as unknown]));
    };

    describe.each([
      ['the client’s own dialect', MODELS.writer, 'alpha'],
      ['Anthropic’s', MODELS.thinker, 'anthropic-sim'],
      ['Google’s', MODELS.seer, 'gemini-sim'],
    ])('answered in %s', (_dialect, model, provider) => {
      const body = {
        model,
        provider: { only: [provider] },
        messages: [
          { role: 'system', content: `${MARK} instructions` },
          { role: 'user', content: `${MARK} question` },
        ],
        tools: TOOLS,
      };
      const wanted = (text: unknown) => ({
        'gen_ai.system_instructions': [{ type: 'text', content: `${MARK} instructions` }],
        'gen_ai.input.messages': [{ role: 'user', parts: [{ type: 'text', content: `${MARK} question` }] }],
        'gen_ai.output.messages': [{ role: 'assistant', parts: [{ type: 'text', content: text }], finish_reason: 'stop' }],
        'gen_ai.tool.definitions': [{ type: 'function', name: 'lookup', description: `${MARK} tool`, parameters: { type: 'object', properties: {} } }],
      });

      it('is whole on the attempt’s span, as the client saw it', async () => {
        const answer = await chat(body);
        const { choices } = answer.body as { choices: { message: { content: string } }[] };
        expect(choices[0]!.message.content).toContain(MARK);
        expect(await contentOf(answer)).toEqual(wanted(choices[0]!.message.content));
      });

      it('is whole when it was streamed', async () => {
        const answer = await chat({ ...body, stream: true });
        const chunks = eventsOf<{ choices: { delta: { content?: string } }[] }>(answer.text);
        const text = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? '')).join('');
        expect(text).toContain(MARK);
        expect(await contentOf(answer)).toEqual(wanted(text));
      });
    });

    it('is there for a call of a tool, and for its result', async () => {
      const called = await chat({ model: MODELS.writer, messages: [{ role: 'user', content: 'use the lookup' }], tools: TOOLS, tool_choice: 'required' });
      const { message } = (called.body as { choices: { message: { tool_calls: { id: string }[] } }[] }).choices[0]!;
      const [{ id }] = message.tool_calls as [{ id: string }];
      expect(await contentOf(called)).toMatchObject({
        'gen_ai.output.messages': [{ parts: [{ type: 'tool_call', id, name: 'lookup', arguments: {} }], finish_reason: 'tool_calls' }],
      });
      const messages = [{ role: 'user', content: 'use it' }, message, { role: 'tool', tool_call_id: id, content: 'found' }];
      expect(await contentOf(await chat({ model: MODELS.writer, messages, tools: TOOLS }))).toMatchObject({
        'gen_ai.input.messages': [{ role: 'user' }, { role: 'assistant' }, { role: 'tool', parts: [{ type: 'tool_call_response', id, response: 'found' }] }],
      });
    });

    it('is there for every attempt: the prompt also where a provider failed', async () => {
      const { faults } = fixture().upstreams['beta']!;
      faults.add({ kind: 'server_error', share: 1, seed: 1, delayMs: 0, afterWords: 0 });
      const body = { model: MODELS.writer, provider: { order: ['beta', 'alpha'] }, messages: [{ role: 'user', content: 'say 2 words' }] };
      const answer = await chat(body).finally(() => faults.clear());
      const attempts = await attemptsOf(answer);
      expect(attempts.map(({ attributes }) => CONTENT_ATTRIBUTES.filter((name) => name in attributes))).toEqual([
        ['gen_ai.input.messages'],
        ['gen_ai.input.messages', 'gen_ai.output.messages'],
      ]);
    });

    it('is cut at the bound, stays JSON, and says so', async () => {
      const answer = await chat({
        model: 'acme/quoting-200',
        stream: true,
        messages: [
          { role: 'user', content: 'old words '.repeat(5_000) },
          { role: 'user', content: 'newest words' },
        ],
      });
      const [{ attributes }] = (await attemptsOf(answer)) as [ReceivedSpan];
      expect(attributes['switchyard.content.cut']).toEqual(['gen_ai.output.messages', 'gen_ai.input.messages']);
      for (const name of ['gen_ai.output.messages', 'gen_ai.input.messages']) {
        const json = attributes[name] as string;
        expect(Buffer.byteLength(json)).toBeLessThanOrEqual(MAX_ATTRIBUTE_BYTES);
        expect(Buffer.byteLength(json)).toBeGreaterThan(MAX_ATTRIBUTE_BYTES - 1_000);
        expect(JSON.stringify(JSON.parse(json))).toMatch(/… \[cut\]/);
      }
      expect(attributes['gen_ai.output.messages']).toContain('authorization');
      expect(attributes['gen_ai.input.messages']).toContain('newest words');
    });

    it('has descriptions in the place of pictures', async () => {
      const url = `data:image/png;base64,${PICTURE}`;
      const content = [
        { type: 'text', text: `What is ${url} ?` },
        { type: 'image_url', image_url: { url } },
      ];
      const { attributes } = (await attemptsOf(await chat({ model: 'acme/quoting-200', messages: [{ role: 'user', content }] })))[0]!;
      expect(JSON.parse(attributes['gen_ai.input.messages'] as string)).toEqual([
        {
          role: 'user',
          parts: [
            { type: 'text', content: 'What is [image/png of 3000 bytes left out] ?' },
            { type: 'text', content: '[image/png of 3000 bytes left out]' },
          ],
        },
      ]);
      expect(attributes['gen_ai.output.messages']).toContain('[image/png of 3000 bytes left out]');
      expect(receiver().bodies.some((body) => body.includes(PICTURE.slice(0, 100)))).toBe(false);
    });

    it.each([false, true])('holds no credential and no header, though a provider repeats them in its answer (streamed: %s)', async (stream) => {
      const question = { model: 'acme/quoting-200', stream, messages: [{ role: 'user', content: 'what did you get?' }] };
      const answer = await chat(question, { cookie: `session=${MARK}cookie`, 'x-secret': `${MARK}header` });
      const { attributes } = (await attemptsOf(answer))[0]!;
      expect(attributes['gen_ai.output.messages']).toContain('authorization');
      expect(attributes['gen_ai.output.messages']).toContain('[redacted]');
      const bodies = receiver().bodies.map((body) => body.toString('latin1'));
      expect(findSecrets([CREDENTIAL, key, `${MARK}cookie`, `${MARK}header`], { spans: bodies.join('\n') })).toEqual([]);
    });

    it('ends when the key takes it back', async () => {
      const { secret, hash } = await customer.newKey({ include_content_in_traces: true });
      const body = { model: MODELS.writer, messages: [{ role: 'user', content: 'say 2 words' }] };
      const ask = () => call(fixture().platform.baseUrl, '/chat/completions', { key: secret, body });
      expect(await contentOf(await ask())).toHaveProperty(['gen_ai.input.messages']);
      const changed = await customer.manage<{ data: object }>(`/keys/${hash}`, { method: 'PATCH', body: { include_content_in_traces: false } });
      expect(changed.body.data).toMatchObject({ include_content_in_traces: false });
      await eventually(async () => expect(await contentOf(await ask())).toEqual({}));
    });

    it('stands in these attributes and nowhere else: no other span, log, metric, event or table', async () => {
      const answer = await chat({ model: MODELS.writer, messages: [{ role: 'user', content: `${MARK} last` }] });
      await attemptsOf(answer);
      const elsewhere = receiver().spans.map(({ attributes, ...span }) => ({
        ...span,
        startNanos: 0,
        endNanos: 0,
        attributes: Object.fromEntries(Object.entries(attributes).filter(([name]) => !CONTENT_ATTRIBUTES.includes(name))),
      }));
      const texts = { spans: JSON.stringify(elsewhere), ...logTexts(fixture()), ...(await metricTexts(fixture())) };
      expect(findSecrets([MARK], texts)).toEqual([]);
      await withDatabase(fixture(), async (client) => {
        await eventually(async () => {
          const { rows } = await client.query('SELECT 1 FROM billing.usage_events WHERE body LIKE $1', [`%${String(answer.headers['x-generation-id'])}%`]);
          expect(rows).not.toHaveLength(0);
        });
        expect(findSecrets([MARK], await rowTexts(client, [MARK]))).toEqual([]);
      });
    });
  });
}
