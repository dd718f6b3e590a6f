import { describe, expect, it } from '@jest/globals';
import type { JsonObject, JsonValue } from '@switchyard/core';
import type { EndpointFacts } from '../../dialect-manifest.js';
import { openaiChatClient } from '../../openai-chat/client/openai-chat-client.js';
import { anthropicMessagesProvider } from './anthropic-messages-provider.js';
import { anthropicSchema } from './output-schema.js';
import { modelVersion, structuredOutputOf, thinkingStyleOf } from './thinking.js';

const messages = [{ role: 'user', content: 'Hello' }];

function build(
  body: JsonObject,
  endpoint: Partial<EndpointFacts> = {},
  stream = false,
): { body: JsonObject; warnings: readonly string[]; headers: Readonly<Record<string, string>>; path: string } {
  const facts: EndpointFacts = { providerModelId: 'claude-opus-4-5', supportedParameters: [], traits: {}, inputModalities: [], ...endpoint };
  const request = anthropicMessagesProvider.buildRequest(
    openaiChatClient.parseChatRequest({ messages, ...body }),
    facts,
    { dialect: 'anthropic-messages' },
    { stream },
  );
  return { ...request, body: JSON.parse(request.body) as JsonObject };
}

describe('a request to Anthropic', () => {
  it('has system apart, turns merged, tool results first, and a version', () => {
    const built = build(
      {
        messages: [
          { role: 'system', content: 'Be brief' },
          { role: 'user', content: 'Weather in Rome and Oslo?' },
          {
            role: 'assistant',
            content: '',
            tool_calls: [
              { id: 'call:1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
              { id: 'b', type: 'function', function: { name: 'weather', arguments: '' } },
            ],
          },
          { role: 'tool', tool_call_id: 'call:1', content: 'sunny' },
          { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'rain' }] },
          { role: 'user', content: 'And now?', name: 'Ada' },
        ],
        max_tokens: 100,
        user: 'u-1',
      },
      {},
      true,
    );
    expect(built.path).toBe('/messages');
    expect(built.headers).toMatchObject({ 'anthropic-version': '2023-06-01', accept: 'text/event-stream' });
    expect(built.body).toEqual({
      model: 'claude-opus-4-5',
      max_tokens: 100,
      stream: true,
      system: [{ type: 'text', text: 'Be brief' }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Weather in Rome and Oslo?' }] },
        {
          role: 'assistant',
          content: [
            { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Rome' } },
            { type: 'tool_use', id: 'b', name: 'weather', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'call_1', content: [{ type: 'text', text: 'sunny' }] },
            { type: 'tool_result', tool_use_id: 'b', content: [{ type: 'text', text: 'rain' }] },
            { type: 'text', text: 'Ada: And now?' },
          ],
        },
      ],
      metadata: { user_id: 'u-1' },
    });
    expect(built.warnings).toEqual([]);
  });

  it('gives signed and redacted thinking back byte for byte, and no one else’s', () => {
    const details = [
      { type: 'reasoning.text', text: 'Hm,\n"so"', signature: 'EqoB+/==', format: 'anthropic-claude-v1', index: 0 },
      { type: 'reasoning.encrypted', data: 'ENC+/==', format: 'anthropic-claude-v1', index: 1 },
      { type: 'reasoning.text', text: 'foreign', format: 'unknown', index: 2 },
    ];
    const built = build({ messages: [...messages, { role: 'assistant', content: 'Hi', reasoning_details: details }, ...messages] });
    expect((built.body['messages'] as JsonObject[])[1]).toEqual({
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm,\n"so"', signature: 'EqoB+/==' },
        { type: 'redacted_thinking', data: 'ENC+/==' },
        { type: 'text', text: 'Hi' },
      ],
    });
    expect(built.warnings).toHaveLength(1);
  });

  it.each<[string, JsonObject, JsonObject]>([
    ['high of 10 000', { max_tokens: 10_000, reasoning: { effort: 'high' } }, { type: 'enabled', budget_tokens: 8000 }],
    ['medium when just enabled', { max_tokens: 10_000, reasoning: { enabled: true } }, { type: 'enabled', budget_tokens: 5000 }],
    ['minimal, at least 1024', { max_tokens: 4000, reasoning: { effort: 'minimal' } }, { type: 'enabled', budget_tokens: 1024 }],
    ['an explicit budget, below the cap', { max_tokens: 3000, reasoning: { max_tokens: 9000 } }, { type: 'enabled', budget_tokens: 2999 }],
    ['hidden', { max_tokens: 10_000, reasoning_effort: 'low', include_reasoning: false }, { type: 'enabled', budget_tokens: 2000, display: 'omitted' }],
    ['off', { reasoning: { effort: 'none' } }, { type: 'disabled' }],
  ])('budgets thinking: %s', (_name, body, thinking) => {
    expect(build(body).body['thinking']).toEqual(thinking);
  });

  it.each<[string, JsonObject, JsonObject]>([
    ['claude-opus-4-7', { reasoning: { effort: 'xhigh' } }, { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'xhigh' } }],
    ['claude-sonnet-4-6', { reasoning: { effort: 'xhigh' } }, { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } }],
    ['claude-opus-4-7', { reasoning: { enabled: true } }, { thinking: { type: 'adaptive' } }],
    ['claude-opus-4-7', { verbosity: 'low' }, { output_config: { effort: 'low' } }],
  ])('steers %s by effort', (providerModelId, body, expected) => {
    expect(build({ max_tokens: 10_000, ...body }, { providerModelId }).body).toMatchObject(expected);
  });

  it.each([
    ['claude-opus-4-7', undefined],
    ['claude-sonnet-4-6', undefined],
    ['claude-opus-5', { type: 'disabled' }],
    ['claude-sonnet-5', { type: 'disabled' }],
    ['claude-haiku-5-5', { type: 'disabled' }],
  ])('switches thinking off where %s would think unasked, and says nothing where it would not', (providerModelId, thinking) => {
    for (const reasoning of [{ effort: 'none' }, { enabled: false }]) expect(build({ reasoning }, { providerModelId }).body['thinking']).toEqual(thinking);
  });

  it('says nothing of thinking to a model that cannot switch it off', () => {
    const built = build({ reasoning: { enabled: false } }, { providerModelId: 'claude-opus-5-5', traits: { reasoning_mandatory: 'true' } });
    expect(built.body).not.toHaveProperty('thinking');
    expect(built.warnings).toEqual(['reasoning: the model cannot switch it off.']);
  });

  it('does not think where the API would refuse it, and says so', () => {
    const tool = { tools: [{ type: 'function', function: { name: 'f' } }] };
    const forced = build({ ...tool, tool_choice: 'required', max_tokens: 9000, reasoning: { effort: 'high' } });
    expect(forced.body).not.toHaveProperty('thinking');
    const loop = [
      ...messages,
      { role: 'assistant', content: null, tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'a', content: '1' },
    ];
    const unsigned = build({ ...tool, messages: loop, max_tokens: 9000, reasoning: { effort: 'high' } });
    expect(unsigned.body).not.toHaveProperty('thinking');
    const small = build({ max_tokens: 1000, reasoning: { effort: 'high' } });
    expect(small.body).not.toHaveProperty('thinking');
    for (const { warnings } of [forced, unsigned, small]) expect(warnings.join()).toMatch(/^reasoning: .*without/);
  });

  it('passes cache marks, at most four, and marks the last block for a mark on the whole', () => {
    const mark = { type: 'ephemeral', ttl: '1h' };
    const marked = build({
      messages: [{ role: 'system', content: [{ type: 'text', text: 'Long', cache_control: mark }] }, ...messages],
      tools: [{ type: 'function', function: { name: 'f' }, cache_control: { type: 'ephemeral' } }],
      cache_control: { type: 'ephemeral' },
    });
    expect(marked.body).toMatchObject({
      system: [{ cache_control: mark }],
      tools: [{ cache_control: { type: 'ephemeral' } }],
      messages: [{ content: [{ text: 'Hello', cache_control: { type: 'ephemeral' } }] }],
    });
    const many = build({ messages: [{ role: 'user', content: [1, 2, 3, 4, 5].map((number) => ({ type: 'text', text: `${number}`, cache_control: mark })) }] });
    expect(JSON.stringify(many.body).match(/cache_control/g)).toHaveLength(4);
    expect(many.warnings).toHaveLength(1);
  });

  it('asks for a schema natively, or by a tool whose call is the answer', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 1 } }, required: ['n'] };
    const format = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } };
    expect(build(format).body['output_config']).toEqual({
      format: {
        type: 'json_schema',
        schema: { type: 'object', properties: { n: { type: 'integer', description: '{minimum: 1}' } }, required: ['n'], additionalProperties: false },
      },
    });
    const older = build(format, { providerModelId: 'claude-3-7-sonnet-20250219' });
    expect(older.body).toMatchObject({
      tools: [{ name: 'switchyard_json_answer', input_schema: schema }],
      tool_choice: { type: 'tool', name: 'switchyard_json_answer' },
    });
    const answer = anthropicMessagesProvider.parseResponse(
      { type: 'message', id: 'm', content: [{ type: 'tool_use', id: 't', name: 'switchyard_json_answer', input: { n: 1 } }], stop_reason: 'tool_use' },
      { dialect: 'anthropic-messages' },
    );
    expect(answer).toMatchObject({ parts: [{ kind: 'text', text: '{"n":1}' }], finishReason: 'stop' });
  });

  it.each<[string, JsonObject]>([
    ['a map', { type: 'object', properties: { counts: { type: 'object', additionalProperties: { type: 'integer' } } } }],
    ['an object of any kind', { type: 'object', properties: { list: { type: 'array', items: { type: 'object' } } } }],
    ['a tree', { $ref: '#/$defs/node', $defs: { node: { type: 'object', properties: { next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } } } } }],
    ['itself', { type: 'object', properties: { children: { type: 'array', items: { $ref: '#' } } } }],
    ['a schema elsewhere', { type: 'object', properties: { a: { $ref: 'https://schemas.example/a.json' } } }],
  ])('puts a schema with %s into an instruction: closed, it would be another', (_name, schema) => {
    const built = build({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });
    expect(built.body).not.toHaveProperty('output_config');
    expect(JSON.stringify(built.body['system'])).toContain(JSON.stringify(JSON.stringify(schema)).slice(1, -1));
    expect(built.warnings).toEqual([expect.stringMatching(/^response_format: /)]);
    const tools = [{ type: 'function', function: { name: 'f', parameters: schema, strict: true } }];
    const strict = build({ tools }, { supportedParameters: ['structured_outputs', 'tools'] });
    expect((strict.body['tools'] as JsonObject[])[0]).not.toHaveProperty('strict');
    expect(strict.warnings).toEqual([expect.stringMatching(/^tools: f /)]);
  });

  it('asks for a schema that is named twice, yet not within itself, natively', () => {
    const schema = {
      type: 'object',
      properties: { from: { $ref: '#/$defs/place' }, to: { $ref: '#/$defs/place' } },
      $defs: { place: { type: 'object', properties: { name: { $ref: '#/$defs/name' } } }, name: { type: 'string' } },
    };
    const built = build({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });
    expect(built).toMatchObject({ body: { output_config: { format: { type: 'json_schema' } } }, warnings: [] });
  });

  it('tells a choice at the root of a tool’s input in words: there the API refuses every request that has one', () => {
    const choice = [{ required: ['id'] }, { required: ['name'] }];
    const parameters = { type: 'object', description: 'Whom.', properties: { id: { type: 'string' } }, anyOf: choice };
    const tools = [{ type: 'function', function: { name: 'f', parameters } }];
    const [tool] = build({ tools }).body['tools'] as JsonObject[];
    expect(tool).toEqual({
      name: 'f',
      input_schema: { type: 'object', properties: { id: { type: 'string' } }, description: `Whom.\n\n{anyOf: ${JSON.stringify(choice)}}` },
    });
    const union = { oneOf: [{ type: 'object', properties: { a: { type: 'string' } } }] };
    expect((build({ tools: [{ type: 'function', function: { name: 'f', parameters: union } }] }).body['tools'] as JsonObject[])[0]).toMatchObject({
      input_schema: { type: 'object', properties: {}, description: `{oneOf: ${JSON.stringify(union.oneOf)}}` },
    });
  });

  it('does not ask a model to think that the endpoint does not list as thinking, and says so', () => {
    const endpoint = { providerModelId: 'claude-3-5-haiku-20241022', supportedParameters: ['temperature', 'tools'] };
    const built = build({ reasoning: { effort: 'high' }, max_tokens: 9000, temperature: 0.5 }, endpoint);
    expect(built.body).not.toHaveProperty('thinking');
    expect(built.body).toMatchObject({ temperature: 0.5 });
    expect(built.warnings).toEqual(['reasoning: this endpoint does not take it; it was dropped.']);
    expect(build({ reasoning: { enabled: false } }, endpoint)).toMatchObject({ body: { max_tokens: 4096 }, warnings: [] });
  });

  it('maps tools, choice and parallelism', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} }, strict: true } }];
    expect(build({ tools, tool_choice: 'required', parallel_tool_calls: false }, { supportedParameters: ['structured_outputs', 'tools'] }).body).toMatchObject({
      tools: [{ name: 'f', strict: true, input_schema: { additionalProperties: false } }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
    });
    expect(build({ tools, tool_choice: { type: 'function', function: { name: 'f' } } }).body).toMatchObject({ tool_choice: { type: 'tool', name: 'f' } });
    expect(build({ tools, tool_choice: 'none' }).body).toMatchObject({ tool_choice: { type: 'none' } });
    expect(build({ tools }).body).not.toHaveProperty('tool_choice');
  });

  it.each<[string, JsonValue, string]>([
    ['claude-opus-5-5', 'required', 'Answer with a call of at least one of your tools.'],
    ['claude-sonnet-5-5', { type: 'function', function: { name: 'f' } }, 'Answer with a call of the tool f.'],
    ['claude-fable-5-1-20260901', 'required', 'Answer with a call of at least one of your tools.'],
  ])('asks %s in words for the call that it refuses to be forced to, and lets it think: %j', (providerModelId, choice, words) => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];
    const asked = { tools, tool_choice: choice, parallel_tool_calls: false, reasoning: { effort: 'high' } };
    const { body, warnings } = build(asked, { providerModelId, traits: { reasoning_mandatory: 'true' } });
    expect(body).toMatchObject({ tool_choice: { type: 'auto', disable_parallel_tool_use: true }, thinking: { type: 'adaptive' } });
    expect(body['system']).toEqual([{ type: 'text', text: words }]);
    expect(warnings).toEqual([expect.stringMatching(/^tool_choice: /)]);
    expect(build({ ...asked, tool_choice: 'none' }, { providerModelId })).toMatchObject({ body: { tool_choice: { type: 'none' } }, warnings: [] });
  });

  it.each(['claude-opus-5', 'claude-fable-5-20260609', 'claude-sonnet-4-6'])('forces %s, which can be', (providerModelId) => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];
    const { body } = build({ tools, tool_choice: 'required' }, { providerModelId });
    expect(body).toMatchObject({ tool_choice: { type: 'any' } });
    expect(body).not.toHaveProperty('system');
  });

  describe('with thinking given back', () => {
    const own = { type: 'reasoning.text', text: 'Hm.', signature: 'c2ln', format: 'anthropic-claude-v1', index: 0 };
    const given = [...messages, { role: 'assistant', content: 'Yes.', reasoning_details: [own] }, { role: 'user', content: 'Why?' }];
    const dropped = { block_binding: { prefix_mismatch_behavior: 'drop_block' } };

    it.each<[string, JsonObject, JsonObject]>([
      ['claude-fable-5-2', {}, { type: 'adaptive', ...dropped }],
      ['claude-opus-5-5', { reasoning: { effort: 'low' } }, { type: 'adaptive', display: 'summarized', ...dropped }],
      ['claude-haiku-5-5-20261001', { reasoning: { enabled: true, exclude: true } }, { type: 'adaptive', display: 'omitted', ...dropped }],
    ])('lets %s leave out what no longer fits, where it would refuse the request', (providerModelId, asked, thinking) => {
      const { body, headers } = build({ messages: given, ...asked }, { providerModelId });
      expect(body['thinking']).toEqual(thinking);
      expect(headers['anthropic-beta']).toBe('thinking-binding-controls-2026-08-01');
    });

    it.each<[string, JsonObject]>([
      ['claude-opus-5', { messages: given }],
      ['claude-fable-5-20260609', { messages: given }],
      ['claude-haiku-5-5', { messages: given, reasoning: { enabled: false } }],
      ['claude-fable-5-2', {}],
    ])('says nothing of it to %s asked for %j', (providerModelId, asked) => {
      const { body, headers } = build(asked, { providerModelId });
      expect(body['thinking'] ?? {}).not.toHaveProperty('block_binding');
      expect(headers).not.toHaveProperty('anthropic-beta');
    });
  });

  it.each(['claude-sonnet-4-5', 'MiniMax-M2'])('keeps a prefill for %s, without white space at its end', (providerModelId) => {
    const { body, warnings } = build({ messages: [...messages, { role: 'assistant', content: 'The answer is: ' }] }, { providerModelId });
    expect((body['messages'] as JsonObject[]).slice(1)).toEqual([{ role: 'assistant', content: [{ type: 'text', text: 'The answer is:' }] }]);
    expect(warnings).toEqual([]);
  });

  it.each(['claude-sonnet-4-6', 'claude-opus-5', 'claude-fable-5'])('asks %s in words to go on, which refuses an answer to continue', (providerModelId) => {
    const { body, warnings } = build({ messages: [...messages, { role: 'assistant', content: 'The answer is: ' }] }, { providerModelId });
    expect(body['messages']).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
      { role: 'assistant', content: [{ type: 'text', text: 'The answer is:' }] },
      { role: 'user', content: [{ type: 'text', text: expect.stringContaining('Go on from exactly where it ends') }] },
    ]);
    expect(warnings).toEqual([expect.stringMatching(/^messages: /)]);
    expect(build({}, { providerModelId })).toMatchObject({ body: { messages: [{ role: 'user' }] }, warnings: [] });
  });

  it('does not think while it continues an answer, which the API refuses', () => {
    const prefilled = [...messages, { role: 'assistant', content: 'The answer is' }];
    const { body, warnings } = build({ messages: prefilled, reasoning: { effort: 'high' }, max_tokens: 9000 }, { providerModelId: 'claude-sonnet-4-5' });
    expect(body).not.toHaveProperty('thinking');
    expect(warnings).toEqual([expect.stringMatching(/^reasoning: .* sent without\.$/)]);
  });

  it('carries pictures and documents by address and by bytes', () => {
    const content = [
      { type: 'image_url', image_url: { url: 'https://pictures.example/a.png' } },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,BBBB' } },
    ];
    expect(build({ messages: [{ role: 'user', content }] }).body['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'image', source: { type: 'url', url: 'https://pictures.example/a.png' } },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'BBBB' }, title: 'a.pdf' },
        ],
      },
    ]);
    expect(() => build({ messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }] }] })).toThrow(/no audio/);
  });

  it('warns of every parameter that has no place', () => {
    const { warnings, body } = build({ seed: 1, frequency_penalty: 0.5, logit_bias: { 1: 2 }, future: true, temperature: 1.5, top_p: 0.5 });
    expect(warnings.map((warning) => warning.split(':')[0]).sort()).toEqual(['frequency_penalty', 'future', 'logit_bias', 'seed', 'temperature', 'top_p']);
    expect(body).toMatchObject({ temperature: 1, max_tokens: 4096 });
  });

  it.each([-1, 0])('leaves a top_k of %s out, which is below what the provider takes, and says so', (topK) => {
    const { warnings, body } = build({ top_k: topK, repetition_penalty: 2.5, min_p: -1, top_a: 3 });
    expect(body).not.toHaveProperty('top_k');
    expect(warnings.map((warning) => warning.split(':')[0]).sort()).toEqual(['min_p', 'repetition_penalty', 'top_a', 'top_k']);
    expect(build({ top_k: 1 })).toMatchObject({ body: { top_k: 1 }, warnings: [] });
  });
});

describe('an answer of Anthropic', () => {
  it.each([
    ['standard', 'default'],
    ['priority', 'priority'],
  ])('that was served in the tier %s names it %s, as clients of OpenAI know it', (theirs, ours) => {
    const usage = { input_tokens: 1, output_tokens: 1, service_tier: theirs };
    const message = { type: 'message', id: 'm', content: [{ type: 'text', text: 'Hi' }], stop_reason: 'end_turn', usage };
    expect(anthropicMessagesProvider.parseResponse(message, { dialect: 'anthropic-messages' }).serviceTier).toBe(ours);
    const events = [{ type: 'message_start', message: { id: 'm', usage } }];
    const chunks = anthropicMessagesProvider
      .createStreamParser({ dialect: 'anthropic-messages' })
      .push(Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')));
    expect(chunks.filter((chunk) => 'serviceTier' in chunk).map((chunk) => 'serviceTier' in chunk && chunk.serviceTier)).toEqual([ours, ours]);
  });
});

describe('what a model can do, by its name', () => {
  it.each([
    ['claude-3-7-sonnet-20250219', 3.7, 'budget', 'tool'],
    ['claude-sonnet-4-20250514', 4, 'budget', 'tool'],
    ['claude-opus-4-1-20250805', 4.1, 'budget', 'tool'],
    ['claude-haiku-4-5-20251001', 4.5, 'budget', 'output_config'],
    ['claude-opus-4-6', 4.6, 'adaptive', 'output_config'],
    ['claude-opus-5', 5, 'adaptive', 'output_config'],
    ['claude-fable-5', undefined, 'adaptive', 'output_config'],
  ])('%s', (model, version, thinking, output) => {
    expect([modelVersion(model), thinkingStyleOf(model), structuredOutputOf(model)]).toEqual([version, thinking, output]);
  });
});

describe('anthropicSchema', () => {
  it('closes objects at every depth and leaves names that look like keywords alone', () => {
    expect(
      anthropicSchema({
        type: 'object',
        properties: { maximum: { type: 'string', maxLength: 3 }, list: { type: 'array', minItems: 2, items: { type: 'object', properties: {} } } },
        $defs: { x: { type: 'object' } },
      }),
    ).toEqual({
      type: 'object',
      additionalProperties: false,
      properties: {
        maximum: { type: 'string', description: '{maxLength: 3}' },
        list: { type: 'array', description: '{minItems: 2}', items: { type: 'object', properties: {}, additionalProperties: false } },
      },
      $defs: { x: { type: 'object', additionalProperties: false } },
    });
  });

  it.each<[string, JsonObject, JsonObject]>([
    ['a choice of one', { oneOf: [{ type: 'string' }, { type: 'null' }] }, { anyOf: [{ type: 'string' }, { type: 'null' }] }],
    ['a format that it knows', { type: 'string', format: 'date-time' }, { type: 'string', format: 'date-time' }],
    ['another format', { type: 'string', format: 'int32' }, { type: 'string', description: '{format: "int32"}' }],
    ['a plain pattern', { type: 'string', pattern: '^[a-z]+$' }, { type: 'string', pattern: '^[a-z]+$' }],
    ['a pattern that looks ahead', { type: 'string', pattern: '^(?!x)' }, { type: 'string', description: '{pattern: "^(?!x)"}' }],
    [
      'a tuple',
      { type: 'array', description: 'A pair.', prefixItems: [{ type: 'string' }], items: false },
      { type: 'array', description: 'A pair.\n\n{prefixItems: [{"type":"string"}], items: false}' },
    ],
    ['a negation', { type: 'string', not: { const: 'x' } }, { type: 'string', description: '{not: {"const":"x"}}' }],
    ['its own address', { type: 'string', $schema: 'https://json-schema.org/draft/2020-12/schema', $id: 'x' }, { type: 'string' }],
  ])('knows what the API compiles, and tells the rest in words: %s', (_name, schema, expected) => {
    expect(anthropicSchema(schema)).toEqual(expected);
  });
});
