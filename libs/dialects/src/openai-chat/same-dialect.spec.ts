import { describe, expect, it } from '@jest/globals';
import type { JsonObject, JsonValue } from '@switchyard/core';
import { chatResultFromJSON, chatStreamChunkFromJSON } from '@openrouter/sdk/models';
import { createExchange } from '../create-exchange.js';
import type { EndpointFacts, OpenaiChatDeviations } from '../dialect-manifest.js';

const IDENTITY = { generationId: 'gen-1790000000-abcdefghijklmnopqrst', model: 'author/slug', providerName: 'Somewhere', created: 1_790_000_000 };
const ENDPOINT: EndpointFacts = { providerModelId: 'their-model', supportedParameters: [], traits: {}, inputModalities: [] };

interface Setting {
  readonly deviations?: OpenaiChatDeviations;
  readonly endpoint?: Partial<EndpointFacts>;
  readonly stream?: boolean;
  readonly maxOutputTokens?: number;
}

function exchange(body: JsonObject, { deviations = {}, endpoint = {}, stream = false, maxOutputTokens }: Setting = {}) {
  return createExchange({
    clientDialect: 'openai-chat',
    apiType: 'chat',
    body: Buffer.from(JSON.stringify(body)),
    stream,
    maxOutputTokens,
    identity: IDENTITY,
    endpoint: { ...ENDPOINT, ...endpoint },
    manifest: { dialect: 'openai-chat', openaiChat: deviations },
  });
}

const USER = { role: 'user', content: 'Hello' };

function upstreamBody(body: JsonObject, setting: Setting = {}): { body: JsonObject; warnings: readonly string[] } {
  const request = exchange({ model: 'author/slug', messages: [USER], ...body }, setting).buildRequest();
  return { body: JSON.parse(request.body) as JsonObject, warnings: request.warnings };
}

describe('a request passed through', () => {
  it('keeps what the provider may know, and drops what is the gateway’s', () => {
    const { body, warnings } = upstreamBody({
      models: ['a/b'],
      provider: { order: ['x'] },
      plugins: [],
      transforms: [],
      route: 'fallback',
      usage: { include: true },
      session_id: 's',
      trace: { trace_id: 't' },
      metadata: { a: 'b' },
      preset: 'p',
      debug: { echo_upstream_body: true },
      temperature: 0.3,
      future_parameter: { deep: [1, null] },
      seed: null,
    });
    expect(body).toEqual({ model: 'their-model', messages: [USER], temperature: 0.3, future_parameter: { deep: [1, null] } });
    expect(warnings).toEqual([]);
  });

  it('asks for usage in streams, keeping other stream options', () => {
    expect(upstreamBody({ stream: true, stream_options: { include_obfuscation: false } }, { stream: true }).body).toMatchObject({
      stream: true,
      stream_options: { include_usage: true, include_obfuscation: false },
    });
    expect(upstreamBody({ stream: true }, { stream: true, deviations: { streamUsage: 'always' } }).body).not.toHaveProperty('stream_options');
    expect(upstreamBody({ stream: false, stream_options: { include_usage: true } }).body).not.toHaveProperty('stream_options');
  });

  it('injects no sampling defaults', () => {
    expect(Object.keys(upstreamBody({}).body).sort()).toEqual(['messages', 'model']);
  });

  it('drops parameters that the endpoint is known not to take, and says so', () => {
    const { body, warnings } = upstreamBody(
      { top_k: 5, temperature: 1, min_p: 0.1, unknown: 1 },
      { endpoint: { supportedParameters: ['temperature', 'max_tokens'] }, deviations: { refusedParameters: ['unknown'] } },
    );
    expect(body).toEqual({ model: 'their-model', messages: [USER], temperature: 1 });
    expect(warnings.map((warning) => warning.split(':')[0])).toEqual(['top_k', 'min_p', 'unknown']);
  });

  it('asks for the tier of the endpoint that was chosen, which is charged, and not for the one that the client named', () => {
    const priority = { endpoint: { traits: { service_tier: 'priority' } } };
    for (const wanted of [{}, { service_tier: 'fast' }, { service_tier: 'priority' }, { service_tier: 'auto' }])
      expect(upstreamBody(wanted, priority)).toMatchObject({ body: { service_tier: 'priority' }, warnings: [] });
    for (const wanted of ['priority', 'fast', 'flex', 'scale']) {
      const { body, warnings } = upstreamBody({ service_tier: wanted });
      expect(body).not.toHaveProperty('service_tier');
      expect(warnings).toEqual([expect.stringContaining(wanted)]);
    }
    expect(upstreamBody({ service_tier: 'default' })).toMatchObject({ body: { service_tier: 'default' }, warnings: [] });
  });

  it('writes the output cap in the provider’s field, never above what the endpoint can emit', () => {
    expect(upstreamBody({ max_completion_tokens: 50 }).body).toMatchObject({ max_tokens: 50 });
    expect(
      upstreamBody({ max_tokens: 5000 }, { deviations: { maxTokensField: 'max_completion_tokens' }, endpoint: { maxCompletionTokens: 4096 } }).body,
    ).toMatchObject({ max_completion_tokens: 4096 });
    expect(upstreamBody({ max_tokens: 5000 }, { maxOutputTokens: 70 }).body).toMatchObject({ max_tokens: 70 });
  });

  it('renames, adds and narrows as the manifest says', () => {
    const deviations: OpenaiChatDeviations = { renamedParameters: { seed: 'random_seed' }, addedParameters: { safe: true }, developerRole: 'system' };
    expect(
      upstreamBody(
        {
          seed: 7,
          messages: [
            { role: 'developer', content: 'Be brief' },
            { ...USER, name: 'Ada' },
          ],
        },
        { deviations },
      ),
    ).toEqual({
      body: {
        model: 'their-model',
        random_seed: 7,
        safe: true,
        messages: [
          { role: 'system', content: 'Be brief' },
          { role: 'user', content: 'Ada: Hello' },
        ],
      },
      warnings: [],
    });
  });

  it('keeps function tools and reports server tools', () => {
    const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object' } }, cache_control: { type: 'ephemeral' } };
    const { body, warnings } = upstreamBody({ tools: [tool, { type: 'openrouter:web_search' }], tool_choice: 'auto' });
    expect(body['tools']).toEqual([{ type: 'function', function: tool.function }]);
    expect(warnings).toEqual(['tools: openrouter:web_search is not offered by this endpoint; it was dropped.']);
    expect(upstreamBody({ tools: [{ type: 'openrouter:web_search' }], tool_choice: 'auto' }).body).not.toHaveProperty('tool_choice');
    const choice = { type: 'openrouter:web_search' };
    expect(upstreamBody({ tools: [tool, choice], tool_choice: choice }).body).not.toHaveProperty('tool_choice');
  });

  it.each<[OpenaiChatDeviations['cacheControl'], JsonValue]>([
    [undefined, [{ type: 'text', text: 'Long' }]],
    ['keep', [{ type: 'text', text: 'Long', cache_control: { type: 'ephemeral', ttl: '1h' } }]],
    ['openai-breakpoint', [{ type: 'text', text: 'Long', prompt_cache_breakpoint: { mode: 'explicit' } }]],
  ])('translates cache marks for a provider with cacheControl %s', (cacheControl, content) => {
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'Long', cache_control: { type: 'ephemeral', ttl: '1h' } }] }];
    expect(upstreamBody({ messages }, { deviations: { cacheControl } }).body['messages']).toEqual([{ role: 'user', content }]);
  });

  it.each<[OpenaiChatDeviations['reasoningHistory'], JsonObject]>([
    [undefined, { role: 'assistant', content: 'Hi' }],
    ['reasoning_content', { role: 'assistant', content: 'Hi', reasoning_content: 'Thought' }],
    ['reasoning', { role: 'assistant', content: 'Hi', reasoning: 'Thought' }],
    [
      'reasoning_details',
      { role: 'assistant', content: 'Hi', reasoning: 'Thought', reasoning_details: [{ type: 'reasoning.text', text: 'Thought', signature: 's', future: 1 }] },
    ],
    [
      'thinking-parts',
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'Thought' }] },
          { type: 'text', text: 'Hi' },
        ],
      },
    ],
  ])('gives earlier reasoning back as %s', (reasoningHistory, assistant) => {
    const messages = [
      USER,
      { role: 'assistant', content: 'Hi', reasoning: 'Thought', reasoning_details: [{ type: 'reasoning.text', text: 'Thought', signature: 's', future: 1 }] },
      USER,
    ];
    expect(upstreamBody({ messages }, { deviations: { reasoningHistory } }).body['messages']).toEqual([USER, assistant, USER]);
  });

  it('gives the pieces of a stream back as the one entry that they are', () => {
    const pieces = [
      { type: 'reasoning.summary', summary: 'Th', format: 'unknown', index: 0 },
      { type: 'reasoning.summary', summary: 'ought', format: 'unknown', index: 0 },
      { type: 'reasoning.encrypted', data: 'x', index: 1 },
    ];
    const messages = [{ role: 'assistant', content: 'Hi', reasoning_details: pieces }, USER];
    expect(upstreamBody({ messages }, { deviations: { reasoningHistory: 'reasoning_details' } }).body['messages']).toMatchObject([
      { reasoning_details: [{ type: 'reasoning.summary', summary: 'Thought', format: 'unknown', index: 0 }, pieces[2]] },
      USER,
    ]);
  });

  it.each(['Hi', 'Hi '.repeat(3_000)])('leaves out the nulls of an answer that comes back whole: strict providers do not know the fields', (content) => {
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } };
    const nulls = { refusal: null, audio: null, function_call: null };
    const messages = [
      { ...USER, name: null },
      { role: 'assistant', content, tool_calls: null, ...nulls },
      { role: 'assistant', content: null, tool_calls: [call], ...nulls },
      { role: 'tool', tool_call_id: 'a', content: '1' },
    ];
    expect(upstreamBody({ messages }).body['messages']).toEqual([
      USER,
      { role: 'assistant', content },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'a', content: '1' },
    ]);
  });

  it('marks a trailing assistant message as the provider wants it', () => {
    const messages = [USER, { role: 'assistant', content: 'The answer is' }];
    expect(upstreamBody({ messages }, { deviations: { prefill: 'prefix' } }).body['messages']).toMatchObject([{}, { prefix: true }]);
    expect(upstreamBody({ messages }, { deviations: { prefill: 'partial' } }).body['messages']).toMatchObject([{}, { partial: true }]);
    expect(upstreamBody({ messages }, { deviations: { prefill: 'continue-final-message' } }).body).toMatchObject({
      continue_final_message: true,
      add_generation_prompt: false,
    });
  });

  it('gives Mistral nine letters and digits, the same for a call and its result', () => {
    const messages = [
      USER,
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_with-a-long-id', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'call_with-a-long-id', content: '1' },
    ];
    const sent = upstreamBody({ messages }, { deviations: { toolCallIds: 'nine-alphanumerics' } }).body['messages'] as unknown as [
      unknown,
      { tool_calls: { id: string }[] },
      { tool_call_id: string },
    ];
    expect(sent[1].tool_calls[0]!.id).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(sent[2].tool_call_id).toBe(sent[1].tool_calls[0]!.id);
  });

  it.each([
    ['short', '', 0],
    ['long, and the messages too', 'x'.repeat(5000), 0],
    ['long by one letter', '', 1],
    ['long by one letter, and the messages too', 'x'.repeat(5000), 1],
  ])('gives OpenAI ids of forty letters at most, the same for a call and its result: %s', (_name, text, surplus) => {
    const id = `chatcmpl-tool-${'0'.repeat(26 + surplus)}`;
    const call = { id, type: 'function', function: { name: 'f', arguments: '{}' } };
    const messages = [
      { role: 'user', content: `Hi ${text}` },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: id, content: '1' },
    ];
    const sent = upstreamBody({ messages }, { deviations: { toolCallIds: 'up-to-forty' } }).body['messages'] as unknown as typeof messages;
    const theirs = sent[2]!.tool_call_id!;
    expect(sent[1]!.tool_calls).toEqual([{ ...call, id: theirs }]);
    expect(theirs.length).toBeLessThanOrEqual(40);
    expect(theirs === id).toBe(surplus === 0);
  });

  it('puts fetched pictures in where the provider does not fetch them', () => {
    const url = 'https://pictures.example/train.png';
    const messages = [{ role: 'user', content: [{ type: 'image_url', image_url: { url, detail: 'low' } }] }];
    const attempt = exchange({ messages }, { deviations: { imageSource: 'base64' } });
    expect(attempt.mediaUrls).toEqual([url]);
    const sent = JSON.parse(attempt.buildRequest(new Map([[url, { mediaType: 'image/png', data: 'AAAA' }]])).body) as JsonObject;
    expect(sent['messages']).toEqual([{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } }] }]);
    expect(exchange({ messages }).mediaUrls).toEqual([]);
  });

  it.each([
    ['a message of parts', { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://pictures.example/1.png' } }] }],
    ['an earlier answer', { role: 'assistant', content: 'Here', images: [{ type: 'image_url', image_url: { url: 'https://pictures.example/1.png' } }] }],
    ['a tool’s result', { role: 'tool', tool_call_id: 'c', content: [{ type: 'image_url', image_url: { url: 'https://pictures.example/1.png' } }] }],
  ])('finds pictures in %s, in short requests and long ones', (_place, message) => {
    for (const text of ['short', 'long '.repeat(2_000)]) {
      const messages = [{ role: 'user', content: text }, message];
      expect(exchange({ messages }, { deviations: { imageSource: 'base64' } }).mediaUrls).toEqual(['https://pictures.example/1.png']);
    }
  });

  it('falls back to JSON mode with the schema in words where there is nothing better', () => {
    const format = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } };
    const { body, warnings } = upstreamBody({ response_format: format }, { deviations: { structuredOutput: 'json_object' } });
    expect(body['response_format']).toEqual({ type: 'json_object' });
    expect(JSON.stringify(body['messages'])).toContain('JSON Schema');
    expect(warnings).toHaveLength(1);
    expect(upstreamBody({ response_format: format }).body['response_format']).toEqual(format);
  });
});

function stream(chunks: readonly JsonValue[], deviations: OpenaiChatDeviations = {}, body: JsonObject = {}) {
  const reader = exchange({ messages: [USER], ...body }, { deviations, stream: true }).openStream();
  const progress = reader.push(Buffer.from(chunks.map((chunk) => `data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`).join('')));
  const events = [...progress.bytes.matchAll(/^data: (.*)$/gm)].map((match) => match[1]!);
  return {
    progress,
    events: events.map(
      (event) => JSON.parse(event) as { choices: { delta: JsonObject; finish_reason: string | null; native_finish_reason: string | null }[] } & JsonObject,
    ),
    raw: events,
    reader,
  };
}

const BASE = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'their-model' };

describe('chunks passed through', () => {
  it('satisfy the strict client whatever nulls the provider sends', () => {
    const { raw, progress } = stream([
      {
        ...BASE,
        system_fingerprint: null,
        service_tier: null,
        usage: null,
        choices: [
          { index: 0, delta: { role: 'assistant', content: '', tool_calls: null, refusal: null, reasoning_details: null, audio: null }, logprobs: null },
        ],
      },
      { ...BASE, usage: null, choices: [{ index: 0, delta: null }] },
      { ...BASE, usage: null, choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: null }] },
      { ...BASE, choices: [{ index: 0, delta: {}, finish_reason: 'eos' }], usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } },
      '[DONE]',
    ]);
    expect(raw).toHaveLength(4);
    for (const chunk of raw) {
      const parsed = chatStreamChunkFromJSON(chunk);
      expect(parsed).toMatchObject({ ok: true, value: { id: IDENTITY.generationId, model: IDENTITY.model, created: IDENTITY.created } });
      expect(chunk).not.toContain('"usage"');
    }
    expect(progress).toMatchObject({
      hasContent: true,
      done: true,
      finishReason: 'stop',
      nativeFinishReason: 'eos',
      meters: { input_uncached: 3, output_text: 1 },
      outputBytes: 2,
      upstreamId: 'chatcmpl-1',
    });
  });

  it('carry the fingerprint that each of them came with', () => {
    const fingerprints = ['fp_1', 'fp_1', null, 'fp_1', 'fp_"2"', undefined, 'fp_1'];
    const choices = [{ index: 0, delta: { content: 'Hi' } }];
    const { events } = stream(
      fingerprints.map((fingerprint) => ({ ...BASE, ...(fingerprint === undefined ? {} : { system_fingerprint: fingerprint }), choices })),
    );
    expect(events.map((event) => event['system_fingerprint'])).toEqual(['fp_1', 'fp_1', undefined, 'fp_1', 'fp_"2"', undefined, 'fp_1']);
  });

  it('keep fields that we do not know', () => {
    const { events } = stream([
      { ...BASE, x_lab: { a: 1 }, choices: [{ index: 0, delta: { content: 'Hi', mood: 'calm' }, finish_reason: null, token_ids: [1] }] },
    ]);
    expect(events[0]).toMatchObject({ provider: 'Somewhere', x_lab: { a: 1 }, choices: [{ delta: { content: 'Hi', mood: 'calm' }, token_ids: [1] }] });
  });

  it('bring reasoning to one spelling', () => {
    const { events, progress } = stream([{ ...BASE, choices: [{ index: 0, delta: { content: null, reasoning_content: 'Hm' } }] }]);
    expect(events[0]!.choices[0]!.delta).toEqual({
      role: 'assistant',
      content: null,
      reasoning: 'Hm',
      reasoning_details: [{ type: 'reasoning.text', text: 'Hm', format: 'unknown', index: 0 }],
    });
    expect(progress).toMatchObject({ hasContent: true, reasoningBytes: 2, outputBytes: 2 });
  });

  it.each([
    ['never', [undefined, undefined, undefined]],
    ['once', ['assistant', undefined, undefined]],
    ['in every chunk', ['assistant', 'assistant', 'assistant']],
    ['and leaves it empty later', ['assistant', '', null]],
  ])('say the role once where the provider says it %s, because clients join what they are told', (_often, roles) => {
    const { events } = stream(roles.map((role) => ({ ...BASE, choices: [{ index: 0, delta: { ...(role === undefined ? {} : { role }), content: 'Hi' } }] })));
    expect(events.map(({ choices }) => choices[0]!.delta['role'])).toEqual(['assistant', undefined, undefined]);
  });

  it('leave out a chunk that held usage alone', () => {
    const { events, progress } = stream([{ ...BASE, choices: [], usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } }]);
    expect(events).toEqual([]);
    expect(progress).toMatchObject({ bytes: '', hasContent: false, meters: { input_uncached: 3, output_text: 1 } });
  });

  it('number tool calls densely when the provider does not', () => {
    const call = (fields: JsonObject): JsonObject => ({ ...BASE, choices: [{ index: 0, delta: { tool_calls: [fields] } }] });
    const { events } = stream([
      call({ index: 1, id: 'a', function: { name: 'f', arguments: '' } }),
      call({ index: 1, function: { arguments: '{}' } }),
      call({ index: 1, id: 'b', function: { name: 'g', arguments: { city: 'Rome' } } }),
      call({ id: 'c', function: { name: 'h', arguments: null } }),
      call({ function: { arguments: '{"x"' } }),
    ]);
    const calls = events.map(({ choices }) => (choices[0]!.delta['tool_calls'] as unknown as { index: number; function: { arguments?: string } }[])[0]!);
    expect(calls.map(({ index }) => index)).toEqual([0, 0, 1, 2, 2]);
    expect(calls[2]!.function.arguments).toBe('{"city":"Rome"}');
  });

  it.each<[string, JsonObject]>([
    ['all of them', { id: 'a', type: 'function', function: { name: 'f' } }],
    ['none', { function: {} }],
    ['empty texts', { id: '', type: '', function: { name: '' } }],
    ['another id each time', { id: 'b', type: 'function', function: {} }],
  ])('say id, kind and name of a call once where the provider repeats %s, because clients join what they are told', (_what, repeated) => {
    const call = (fields: JsonObject, pieces: string): JsonObject => ({
      ...BASE,
      choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...fields, function: { ...(fields['function'] as JsonObject), arguments: pieces } }] } }],
    });
    const { events, raw } = stream([call({ id: 'a', type: '', function: { name: 'f' } }, ''), call(repeated, '{"a"'), call(repeated, ':1}')]);
    expect(events.map(({ choices }) => choices[0]!.delta['tool_calls'])).toEqual([
      [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }],
      [{ index: 0, function: { arguments: '{"a"' } }],
      [{ index: 0, function: { arguments: ':1}' } }],
    ]);
    for (const chunk of raw) expect(chatStreamChunkFromJSON(chunk)).toMatchObject({ ok: true });
  });

  it('tell the name of a call that comes after it', () => {
    const call = (fields: JsonObject): JsonObject => ({ ...BASE, choices: [{ index: 0, delta: { tool_calls: [fields] } }] });
    const { events } = stream([
      call({ index: 0, id: 'a', function: { name: null } }),
      call({ index: 0, function: { name: 'f' } }),
      call({ index: 0, function: { name: 'f', arguments: '{}' } }),
    ]);
    expect(events.map(({ choices }) => (choices[0]!.delta['tool_calls'] as unknown as { function: JsonObject }[])[0]!.function)).toEqual([
      {},
      { name: 'f' },
      { arguments: '{}' },
    ]);
  });

  it('turn an error in mid-stream into a failure and show nothing of it', () => {
    const { events, progress } = stream([
      { ...BASE, choices: [{ index: 0, delta: { content: 'Hi' } }] },
      { error: { message: 'overloaded', code: 503 } },
      { ...BASE, choices: [{ index: 0, delta: { content: 'more' } }] },
    ]);
    expect(events).toHaveLength(1);
    expect(progress.error).toMatchObject({ errorType: 'provider_overloaded', message: 'overloaded' });
  });

  it('end with the provider’s last word, whatever follows it in the same bytes', () => {
    const { events, progress } = stream([
      { ...BASE, choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: 'stop' }] },
      '[DONE]',
      { ...BASE, choices: [{ index: 0, delta: { content: 'more' } }] },
      { error: { message: 'late' } },
      '{{{',
      '[DONE]',
    ]);
    expect(events).toHaveLength(1);
    expect(progress).toMatchObject({ done: true, error: undefined, outputBytes: 2 });
  });

  it('take thoughts out of think tags where the manifest says so', () => {
    const content = (text: string): JsonObject => ({ ...BASE, choices: [{ index: 0, delta: { content: text } }] });
    const { events } = stream([content('<thi'), content('nk>Hm'), content('m</th'), content('ink>\n\nHi')], { thinkTags: true });
    expect(events.map(({ choices }) => choices[0]!.delta['reasoning'] ?? '').join('')).toBe('Hmm');
    expect(events.map(({ choices }) => choices[0]!.delta['content'] ?? '').join('')).toBe('Hi');
  });

  it('show citations as annotations on the last chunk', () => {
    const { events } = stream([
      { ...BASE, citations: ['https://trains.example'], choices: [{ index: 0, delta: { content: 'Hi' } }] },
      { ...BASE, citations: ['https://trains.example'], choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    ]);
    expect(events[0]!.choices[0]!.delta).not.toHaveProperty('annotations');
    expect(events[1]!.choices[0]!.delta['annotations']).toMatchObject([{ type: 'url_citation', url_citation: { url: 'https://trains.example' } }]);
  });
});

describe('a whole answer passed through', () => {
  it('satisfies the strict client, keeps unknown fields and leaves room for usage', () => {
    const upstream = {
      id: 'chatcmpl-1',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'Hi', tool_calls: null, reasoning_content: 'Hm', mood: 'calm' }, finish_reason: 'model_length' },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      x_lab: 1,
    };
    const answer = exchange({ messages: [USER] }).readWhole(Buffer.from(JSON.stringify(upstream)));
    const text = Buffer.from(answer.bytes).toString();
    expect(chatResultFromJSON(text)).toMatchObject({
      ok: true,
      value: { id: IDENTITY.generationId, systemFingerprint: null, choices: [{ finishReason: 'length' }] },
    });
    expect(JSON.parse(`${text.slice(0, -1)},"usage":{}}`)).toMatchObject({
      x_lab: 1,
      provider: 'Somewhere',
      choices: [{ native_finish_reason: 'model_length', message: { mood: 'calm', reasoning: 'Hm' } }],
      usage: {},
    });
    expect(answer).toMatchObject({
      finishReason: 'length',
      nativeFinishReason: 'model_length',
      meters: { input_uncached: 3, output_text: 2 },
      outputBytes: 4,
      reasoningBytes: 2,
    });
  });

  it('gives calls that come without ids some that no other answer of the conversation has, streamed or whole', () => {
    const nameless = [{ index: 0, function: { name: 'f', arguments: '{}' } }];
    const wholeId = () => {
      const body = { choices: [{ index: 0, message: { role: 'assistant', tool_calls: nameless }, finish_reason: 'tool_calls' }] };
      const { bytes } = exchange({ messages: [USER] }).readWhole(Buffer.from(JSON.stringify(body)));
      const [choice] = (JSON.parse(`${Buffer.from(bytes).toString().slice(0, -1)}}`) as { choices: { message: { tool_calls: { id: string }[] } }[] }).choices;
      return choice!.message.tool_calls[0]!.id;
    };
    const streamedId = () => {
      const { events } = stream([{ ...BASE, choices: [{ index: 0, delta: { tool_calls: nameless } }] }]);
      return (events[0]!.choices[0]!.delta['tool_calls'] as unknown as { id: string }[])[0]!.id;
    };
    const ids = [wholeId(), wholeId(), streamedId(), streamedId()];
    for (const id of ids) expect(id).toMatch(/^call_\w+$/);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('is a failure when success holds an error', () => {
    const answer = exchange({ messages: [USER] }).readWhole(Buffer.from(JSON.stringify({ error: { message: 'Rate limited', code: 429 }, user_id: 'u' })));
    expect(answer.error).toMatchObject({ errorType: 'rate_limit_exceeded', message: 'Rate limited' });
  });
});
