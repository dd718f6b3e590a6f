import { describe, expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import fc from 'fast-check';
import { DEFAULT_REQUEST_LIMITS } from '../request-limits.js';
import { chatRequestSchema } from './chat-request.js';
import { checkPlainly, parseChatRequest } from './parse-chat-request.js';

const hello = { role: 'user', content: 'hello' };

function refusalOf(body: unknown, limits?: Parameters<typeof parseChatRequest>[1]): SwitchyardError {
  try {
    parseChatRequest(typeof body === 'string' ? body : JSON.stringify(body), limits);
  } catch (error) {
    if (error instanceof SwitchyardError) return error;
    throw error;
  }
  throw new Error('the request was accepted');
}

describe('parseChatRequest', () => {
  it('reads what the gateway needs and keeps the body whole', () => {
    const body = {
      model: 'openai/gpt-4o',
      models: ['openai/gpt-4o', 'anthropic/claude'],
      messages: [
        hello,
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:,x' } },
            { type: 'file', file: { file_data: 'x' } },
          ],
        },
      ],
      stream: true,
      max_tokens: 10,
      temperature: 0,
      tools: [{ type: 'function', function: { name: 'look' } }],
      provider: { order: ['azure'], zdr: null, max_price: { prompt: '1.5', image: null } },
      session_id: 's',
      user: 'u',
      metadata: { team: 'blue' },
      trace: { trace_id: 't', colour: 'red' },
      debug: { echo_upstream_body: true },
      something_new: { nested: [1, 2] },
    };
    const parsed = parseChatRequest(Buffer.from(JSON.stringify(body)));
    expect(parsed).toMatchObject({
      isRewritten: false,
      models: ['openai/gpt-4o', 'anthropic/claude'],
      isStream: true,
      toolCount: 1,
      counts: { imageCount: 1, fileCount: 1, audioCount: 0, videoCount: 0 },
      parameters: ['max_tokens', 'temperature', 'tools'],
      maxOutputTokens: 10,
      sessionId: 's',
      user: 'u',
      metadata: { team: 'blue' },
      traceJson: '{"trace_id":"t","colour":"red"}',
      mustEchoUpstreamBody: true,
    });
    expect(parsed.provider).toEqual({ order: ['azure'], max_price: { prompt: '1.5' } });
    expect(parsed.body).toEqual(body);
  });

  it('turns a legacy prompt into one user message', () => {
    const parsed = parseChatRequest('{"model":"m","prompt":"Say hi"}');
    expect(parsed.isRewritten).toBe(true);
    expect(JSON.parse(JSON.stringify(parsed.body))).toEqual({ model: 'm', messages: [{ role: 'user', content: 'Say hi' }] });
  });

  it('names the field that is wrong', () => {
    expect(refusalOf({ messages: [{ role: 'user', content: 7 }] })).toMatchObject({ type: 'invalid_request', metadata: { param: 'messages.0.content' } });
    expect(refusalOf({ messages: [{ role: 'robot', content: 'x' }] }).message).toContain('messages.0.role');
    expect(refusalOf({ messages: [{ role: 'user', content: [{ type: 'text' }] }] }).message).toBe(
      'messages.0.content.0.text: expected string, received undefined',
    );
    expect(refusalOf({ model: 'm' }).message).toBe('messages: expected an array of messages');
    expect(refusalOf({ messages: [hello], temperature: 3 }).metadata).toEqual({ param: 'temperature' });
    expect(refusalOf({ messages: [hello], n: 2 }).message).toContain('only one choice');
    expect(refusalOf({ messages: [hello], tools: [{ type: 'function', function: {} }] }).message).toContain('tools.0.function.name');
  });

  it('refuses unknown provider keys but lets unknown parameters pass (R37)', () => {
    expect(refusalOf({ messages: [hello], provider: { foo: 1 } }).message).toBe("provider: Unrecognized key(s) in object: 'foo'");
    expect(parseChatRequest(JSON.stringify({ messages: [hello], foo: 1 })).body['foo']).toBe(1);
  });

  it('holds the documented bounds (C36)', () => {
    expect(refusalOf({ messages: [hello], session_id: 'x'.repeat(257) }).metadata).toEqual({ param: 'session_id' });
    expect(refusalOf({ messages: [hello], stop: ['a', 'b', 'c', 'd', 'e'] }).metadata).toEqual({ param: 'stop' });
    expect(refusalOf({ messages: [hello], top_logprobs: 21 }).metadata).toEqual({ param: 'top_logprobs' });
    expect(refusalOf({ messages: [hello], metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, 'v'])) }).metadata).toEqual({
      param: 'metadata',
    });
    expect(refusalOf({ messages: [hello], metadata: { ['k'.repeat(65)]: 'v' } }).type).toBe('invalid_request');
    expect(refusalOf({ messages: [hello], metadata: { k: 'v'.repeat(513) } }).metadata).toEqual({ param: 'metadata.k' });
    expect(refusalOf({ messages: [hello], trace: { t: 'x'.repeat(20_000) } }).metadata).toEqual({ param: 'trace' });
    expect(refusalOf({ messages: [hello], reasoning: { effort: 'high', max_tokens: 5 } }).message).toContain('only one of');
    expect(refusalOf({ messages: [hello], reasoning: { effort: 'high' }, reasoning_effort: 'low' }).metadata).toEqual({ param: 'reasoning_effort' });
    const atTheBounds = {
      messages: [hello],
      session_id: 'x'.repeat(256),
      stop: ['a', 'b', 'c', 'd'],
      top_logprobs: 20,
      metadata: { ['k'.repeat(64)]: 'v'.repeat(512) },
    };
    expect(parseChatRequest(JSON.stringify(atTheBounds)).sessionId).toHaveLength(256);
  });

  it('records nothing that the bounds of metadata and trace do not hold for', () => {
    const hidden = `{"__proto__":{"x":"${'x'.repeat(20_000)}"},"team":"blue"}`;
    const parsed = parseChatRequest(`{"messages":[{"role":"user","content":"x"}],"metadata":${hidden},"trace":${hidden}}`);
    expect(JSON.stringify(parsed.metadata)).toBe('{"team":"blue"}');
    expect(parsed.traceJson).toBe('{"team":"blue"}');
  });

  it('bounds nesting and counts before anything walks the body', () => {
    const limits = { maxNestingDepth: 16, maxMessageCount: 2, maxToolCount: 1, maxContentPartCount: 3 };
    expect(refusalOf(`{"messages":[{"role":"user","content":"x"}],"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, limits).message).toContain(
      'nested more than 16',
    );
    expect(refusalOf({ messages: [hello, hello, hello] }, limits).message).toContain('at most 2');
    expect(refusalOf({ messages: [hello], tools: [{ type: 'a' }, { type: 'b' }] }, limits).message).toContain('at most 1');
    const withParts = (count: number) => ({ role: 'user', content: Array.from({ length: count }, () => ({ type: 'file', file: {} })) });
    expect(refusalOf({ messages: [withParts(2), withParts(2)] }, limits)).toMatchObject({
      message: 'messages: 4 entries in content of all together, at most 3 are accepted',
      metadata: { param: 'messages' },
    });
    expect(parseChatRequest(JSON.stringify({ messages: [withParts(2), withParts(1)] }), limits).counts.fileCount).toBe(3);
    const calls = Array.from({ length: 4 }, () => ({ id: 'a', function: { name: 'a', arguments: '' } }));
    expect(refusalOf({ messages: [{ role: 'assistant', tool_calls: calls }] }, limits).message).toContain('4 entries in tool_calls');
  });

  it('refuses fields that hide in a prototype, however that is spelled', () => {
    const hidden = '{"service_tier":"priority"}';
    for (const name of ['__proto__', '\\u005f_proto__']) {
      const body = `{"model":"a/b","messages":[{"role":"user","content":"hi"}],"${name}":${hidden}}`;
      expect(() => parseChatRequest(body)).toThrow(expect.objectContaining({ type: 'invalid_request', metadata: { param: '__proto__' } }));
    }
  });

  it('bounds the names in an object, which a schema may judge one by one', () => {
    const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, index]));
    expect(parseChatRequest(JSON.stringify({ messages: [hello], image_config: named(10_000) })).parameters).toEqual([]);
    expect(refusalOf({ messages: [hello], image_config: named(10_001) }).message).toContain('more than 10000 names');
  });

  it.each([
    ['messages.0.content.0', (wrong: string) => `{"messages":[{"role":"user","content":${wrong}}]}`],
    ['messages.0.tool_calls.0', (wrong: string) => `{"messages":[{"role":"assistant","tool_calls":${wrong}}]}`],
    ['transforms.0', (wrong: string) => `{"messages":[{"role":"user","content":"x"}],"transforms":${wrong}}`],
  ])('judges nothing after %s, of however many that are wrong', (param, bodyWith) => {
    // Judged one by one they take minutes, and more memory than a process has.
    const limits = { ...DEFAULT_REQUEST_LIMITS, maxContentPartCount: 10_000_000 };
    expect(refusalOf(bodyWith(`[${'0,'.repeat(6_000_000)}0]`), limits).metadata).toEqual({ param });
  });

  it('does not quote a body that is no JSON object', () => {
    expect(refusalOf('{"secret prompt').message).toBe('The request body is not valid JSON');
    expect(refusalOf('').message).toContain('empty');
    expect(refusalOf('[1]').message).toContain('must be a JSON object');
  });

  it('agrees with the schema on every body, and the plain checks never accept more', () => {
    fc.assert(
      fc.property(bodies(), (body) => {
        const text = JSON.stringify(body);
        const copy = JSON.parse(text) as Record<string, unknown>;
        const isAccepted = chatRequestSchema.safeParse(copy).success;
        if (checkPlainly(copy)) expect(isAccepted).toBe(true);
        if (isAccepted) expect(parseChatRequest(text).body['messages']).not.toHaveLength(0);
        else expect(refusalOf(text).type).toBe('invalid_request');
      }),
      { numRuns: 1_000 },
    );
  });

  it('reaches its verdict on everyday requests without the schema', () => {
    expect(
      checkPlainly({
        model: 'm',
        messages: [hello, { role: 'assistant', content: null, tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }] }],
        stream: true,
      }),
    ).toBeDefined();
  });
});

/** Bodies that are mostly right, with fields of every kind that are sometimes wrong. */
function bodies(): fc.Arbitrary<Record<string, unknown>> {
  const odd = fc.oneof(fc.constant(null), fc.integer(), fc.string(), fc.boolean(), fc.constant({}), fc.constant([]), fc.constantFrom(1e999, -1, 0.5));
  const text = fc.oneof({ weight: 6, arbitrary: fc.string() as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: odd });
  const part = fc.oneof(
    fc.record(
      { type: fc.constant('text'), text, cache_control: fc.constantFrom({ type: 'ephemeral' }, { type: 'ephemeral', ttl: '1h' }, { type: 'other' }, null) },
      { requiredKeys: ['type', 'text'] },
    ),
    fc.record({ type: fc.constant('image_url'), image_url: fc.oneof(fc.record({ url: text, detail: text }, { requiredKeys: [] }), odd) }),
    fc.record(
      {
        type: fc.constantFrom('file', 'input_audio', 'video_url', 'refusal', 'other'),
        file: fc.constant({ file_id: 'f' }),
        refusal: text,
        video_url: fc.constant({ url: 'u' }),
      },
      { requiredKeys: ['type'] },
    ),
  );
  const content = fc.oneof({ weight: 4, arbitrary: text }, { weight: 2, arbitrary: fc.array(part, { maxLength: 3 }) as fc.Arbitrary<unknown> });
  const call = fc.record({
    id: text,
    type: fc.constantFrom('function', undefined, null, 'x'),
    function: fc.oneof(fc.record({ name: text, arguments: text }), odd),
  });
  const message = fc.record(
    {
      role: fc.oneof({ weight: 20, arbitrary: fc.constantFrom<unknown>('user', 'system', 'developer', 'assistant', 'tool') }, { weight: 1, arbitrary: odd }),
      content,
      name: text,
      tool_call_id: text,
      tool_calls: fc.oneof(fc.array(call, { maxLength: 2 }), odd),
      reasoning: text,
      reasoning_details: fc.oneof(fc.array(fc.record({ type: text }), { maxLength: 2 }), odd),
    },
    { requiredKeys: ['role', 'content'] },
  );
  const number = fc.oneof(fc.double({ min: -3, max: 3, noNaN: true }), fc.integer({ min: -3, max: 30 }), odd);
  const flagged = fc.oneof(fc.boolean(), odd);
  const fields = {
    messages: fc.oneof({ weight: 12, arbitrary: fc.array(message, { minLength: 1, maxLength: 3 }) as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: odd }),
    prompt: text,
    model: text,
    models: fc.oneof(fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }), odd),
    stream: flagged,
    temperature: number,
    top_p: number,
    top_k: number,
    top_logprobs: number,
    max_tokens: number,
    max_completion_tokens: number,
    seed: number,
    n: number,
    stop: fc.oneof(fc.array(fc.string(), { maxLength: 6 }), text),
    logprobs: flagged,
    user: text,
    session_id: text,
    tool_choice: fc.oneof(
      fc.constantFrom<unknown>('auto', 'none', 'required', 'other', { type: 'function', function: { name: 'f' } }, { type: 'function' }),
      odd,
    ),
    tools: fc.oneof(fc.constantFrom<unknown>([{ type: 'function', function: { name: 'f' } }], [{ type: 'function' }], [{ type: 'openrouter:datetime' }]), odd),
    provider: fc.oneof(
      fc.constantFrom<unknown>(
        { order: ['a'] },
        { sort: 'price' },
        { sort: { by: 'latency', partition: 'none' } },
        { nope: 1 },
        { max_price: { prompt: '1' } },
      ),
      odd,
    ),
    reasoning: fc.oneof(fc.constantFrom<unknown>({ effort: 'high' }, { effort: 'high', max_tokens: 3 }, { effort: 'odd' }), odd),
    reasoning_effort: fc.constantFrom<unknown>('high', 'low', 'odd', null),
    response_format: fc.oneof(
      fc.constantFrom<unknown>({ type: 'json_object' }, { type: 'json_schema' }, { type: 'json_schema', json_schema: { name: 'n' } }),
      odd,
    ),
    stream_options: fc.oneof(fc.constantFrom<unknown>({ include_usage: true }, { include_usage: 1 }), odd),
    metadata: fc.oneof(fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }), odd),
    trace: fc.oneof(fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }), odd),
    unknown_parameter: odd,
  };
  // A few fields at a time: with all of them at once hardly a body would be valid.
  return fc
    .tuple(
      fields.messages,
      fc.subarray(
        Object.keys(fields).filter((name) => name !== 'messages'),
        { maxLength: 5 },
      ),
    )
    .chain(([messages, names]) =>
      fc.record({ messages: fc.constant(messages), ...Object.fromEntries(names.map((name) => [name, fields[name as keyof typeof fields]])) } as {
        messages: fc.Arbitrary<unknown>;
      }),
    );
}
