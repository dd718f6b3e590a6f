import { describe, expect, it } from '@jest/globals';
import { chatResultFromJSON, chatStreamChunkFromJSON } from '@openrouter/sdk/models';
import type { JsonObject } from '@switchyard/core';
import type { UsageView } from '../../client-dialect.js';
import { createExchange } from '../../create-exchange.js';
import { bodyOfCanonical } from '../provider/canonical-body.js';
import { openaiChatClient as client } from './openai-chat-client.js';

const IDENTITY = { generationId: 'gen-1790000000-abcdefghijklmnopqrst', model: 'author/slug', providerName: 'Somewhere', created: 1_790_000_000 };
const USAGE: UsageView = {
  meters: { input_uncached: 5, cache_read: 7, cache_write_5m: 2, cache_write_1h: 1, output_text: 4, reasoning: 6, web_search: 1 },
  cost: 0.0000123,
  isByok: false,
  upstreamInferenceCost: null,
  upstreamInferencePromptCost: 0.00001,
  upstreamInferenceCompletionsCost: 0.0000023,
};
const messages = [{ role: 'user', content: 'Hello' }];

describe('chat requests', () => {
  it.each<[string, JsonObject]>([
    ['messages', {}],
    ['messages', { messages: [] }],
    ['messages[0].role', { messages: [{ role: 'narrator', content: '' }] }],
    ['messages[0].content[0].type', { messages: [{ role: 'user', content: [{ type: 'hologram' }] }] }],
    ['temperature', { messages, temperature: 'hot' }],
    ['temperature', { messages, temperature: 2.5 }],
    ['max_tokens', { messages, max_tokens: 0 }],
    ['stop', { messages, stop: ['a', 'b', 'c', 'd', 'e'] }],
    ['session_id', { messages, session_id: 's'.repeat(257) }],
    ['top_logprobs', { messages, top_logprobs: 21 }],
    ['reasoning.effort', { messages, reasoning: { effort: 'some' } }],
    ['reasoning', { messages, reasoning: { effort: 'low', max_tokens: 5 } }],
    ['tools[0].function.name', { messages, tools: [{ type: 'function', function: {} }] }],
    ['response_format.json_schema', { messages, response_format: { type: 'json_schema' } }],
  ])('with a wrong %s are refused by name', (parameter, body) => {
    expect(() => client.parseChatRequest(body)).toThrow(expect.objectContaining({ type: 'invalid_request', metadata: { param: parameter } }));
  });

  it.each<[string, JsonObject]>([
    ['top_k', { top_k: 'many' }],
    ['top_k', { top_k: 1.5 }],
    ['top_a', { top_a: '1' }],
    ['min_p', { min_p: true }],
    ['repetition_penalty', { repetition_penalty: {} }],
  ])('with a %s of the wrong type are refused by name', (parameter, sampling) => {
    expect(() => client.parseChatRequest({ messages, ...sampling })).toThrow(new RegExp(`^${parameter} must be`));
  });

  it('may have any value of a sampling parameter whose range differs from provider to provider', () => {
    const sampling = { top_k: -1, top_a: 1.5, min_p: -0.5, repetition_penalty: 2.5 };
    expect(bodyOfCanonical(client.parseChatRequest({ messages, ...sampling }))).toMatchObject(sampling);
  });

  it('come out of the canonical form as they went in', () => {
    const body: JsonObject = {
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'Be brief', cache_control: { type: 'ephemeral', ttl: '1h' } }] },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image_url', image_url: { url: 'https://pictures.example/a.png', detail: 'low' } },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' } },
          ],
          name: 'Ada',
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a": 1}' } }],
          reasoning_details: [
            { type: 'reasoning.text', text: 'Hm', signature: 'sig+/=', id: null, format: 'anthropic-claude-v1', index: 0 },
            { type: 'reasoning.encrypted', data: 'ENC', id: 'rs_1', format: 'openai-responses-v1', index: 1, future: { a: 1 } },
            { type: 'reasoning.summary', summary: 'Short', index: 2 },
          ],
        },
        { role: 'tool', tool_call_id: 'call_1', content: '42' },
      ],
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true }, cache_control: { type: 'ephemeral' } },
      ],
      tool_choice: { type: 'function', function: { name: 'f' } },
      parallel_tool_calls: false,
      max_tokens: 9,
      temperature: 0,
      top_k: 3,
      seed: 4,
      stop: ['x'],
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
      reasoning: { effort: 'xhigh', exclude: true },
      cache_control: { type: 'ephemeral' },
      user: 'u',
      future: [1],
    };
    expect(bodyOfCanonical(client.parseChatRequest(body))).toEqual(body);
  });

  it('say reasoning in three ways', () => {
    expect(client.parseChatRequest({ messages, reasoning_effort: 'low' }).reasoning).toMatchObject({ effort: 'low' });
    expect(client.parseChatRequest({ messages, include_reasoning: true }).reasoning).toEqual(client.parseChatRequest({ messages, reasoning: {} }).reasoning);
    expect(client.parseChatRequest({ messages, include_reasoning: false }).reasoning).toMatchObject({ exclude: true });
    expect(client.parseChatRequest({ messages }).reasoning).toBeUndefined();
  });
});

describe('a translated request', () => {
  it('says what no translation carries', () => {
    const body = { messages, tools: [{ type: 'openrouter:web_search' }] };
    const exchange = createExchange({
      clientDialect: 'openai-chat',
      apiType: 'chat',
      body: Buffer.from(JSON.stringify(body)),
      stream: false,
      identity: IDENTITY,
      endpoint: { providerModelId: 'claude-opus-4-6', supportedParameters: [], traits: {}, inputModalities: [] },
      manifest: { dialect: 'anthropic-messages' },
    });
    expect(exchange.buildRequest().warnings.map((warning) => warning.split(':')[0])).toEqual(['tools']);
  });
});

describe('legacy completions', () => {
  const exchange = (body: JsonObject, stream: boolean) =>
    createExchange({
      clientDialect: 'openai-chat',
      apiType: 'completions',
      body: Buffer.from(JSON.stringify(body)),
      stream,
      identity: IDENTITY,
      endpoint: { providerModelId: 'their-model', supportedParameters: [], traits: {}, inputModalities: [] },
      manifest: { dialect: 'openai-chat' },
    });

  it('ask the model as one user message and answer with text', () => {
    const completion = exchange({ prompt: 'Once', max_tokens: 5, stop: '.' }, false);
    expect(JSON.parse(completion.buildRequest().body)).toEqual({
      model: 'their-model',
      messages: [{ role: 'user', content: 'Once' }],
      max_tokens: 5,
      stop: ['.'],
    });
    const answer = completion.readWhole(
      Buffer.from(JSON.stringify({ id: 'x', choices: [{ index: 0, message: { role: 'assistant', content: ' upon' }, finish_reason: 'length' }] })),
    );
    expect(JSON.parse(Buffer.from(answer.bytes).toString())).toMatchObject({
      object: 'text_completion',
      id: IDENTITY.generationId,
      choices: [{ index: 0, text: ' upon', finish_reason: 'length' }],
    });
  });

  it.each(['flex', 'default'])('tell the tier %s that served them, as chat answers do', (tier) => {
    const upstream = { id: 'x', choices: [{ index: 0, message: { content: ' upon' }, finish_reason: 'stop' }], service_tier: tier };
    const answer = exchange({ prompt: 'Once', service_tier: tier }, false).readWhole(Buffer.from(JSON.stringify(upstream)));
    expect(JSON.parse(Buffer.from(answer.bytes).toString())).toMatchObject({ object: 'text_completion', service_tier: tier });
  });

  it('show what was asked of tokens as lists side by side, whole and streamed', () => {
    const told = (token: string, logprob: number) => ({
      token,
      logprob,
      bytes: null,
      top_logprobs: [
        { token, logprob, bytes: null },
        { token: 'x', logprob: -9 },
      ],
    });
    const completion = exchange({ prompt: 'Once', logprobs: 2 }, false);
    expect(JSON.parse(completion.buildRequest().body)).toMatchObject({ logprobs: true, top_logprobs: 2 });
    const whole = {
      id: 'x',
      choices: [{ message: { content: ' 🚂 on' }, logprobs: { content: [told(' 🚂', -0.5), told(' on', -1)] }, finish_reason: 'stop' }],
    };
    expect(JSON.parse(Buffer.from(completion.readWhole(Buffer.from(JSON.stringify(whole))).bytes).toString())).toMatchObject({
      choices: [
        {
          logprobs: {
            tokens: [' 🚂', ' on'],
            token_logprobs: [-0.5, -1],
            top_logprobs: [
              { ' 🚂': -0.5, x: -9 },
              { ' on': -1, x: -9 },
            ],
            text_offset: [0, 2],
          },
        },
      ],
    });
    const piece = (content: string, logprob: number) =>
      `data: ${JSON.stringify({ id: 'x', choices: [{ delta: { content }, logprobs: { content: [{ token: content, logprob, top_logprobs: [] }] } }] })}\n\n`;
    const { bytes } = exchange({ prompt: 'Once', logprobs: 0, stream: true }, true)
      .openStream()
      .push(Buffer.from(piece(' up', -1) + piece('on', -2)));
    expect([...bytes.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1]!) as JsonObject)).toMatchObject([
      { choices: [{ text: ' up', logprobs: { tokens: [' up'], token_logprobs: [-1], top_logprobs: null, text_offset: [0] } }] },
      { choices: [{ text: 'on', logprobs: { tokens: ['on'], token_logprobs: [-2], top_logprobs: null, text_offset: [3] } }] },
    ]);
  });

  it('stream text', () => {
    const chunk = (delta: JsonObject, reason: string | null): string =>
      `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
    const { bytes } = exchange({ prompt: ['Once'], stream: true }, true)
      .openStream()
      .push(Buffer.from(chunk({ content: ' upon' }, null) + chunk({}, 'stop')));
    expect([...bytes.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1]!) as JsonObject)).toMatchObject([
      { object: 'text_completion', choices: [{ text: ' upon', finish_reason: null }] },
      { object: 'text_completion', choices: [{ text: '', finish_reason: 'stop' }] },
    ]);
  });

  it.each<[string, JsonObject]>([
    ['prompt', { prompt: ['a', 'b'] }],
    ['prompt', { prompt: [1, 2] }],
    ['suffix', { prompt: 'a', suffix: 'b' }],
    ['echo', { prompt: 'a', echo: true }],
  ])('with a %s that one chat answer cannot give are refused', (parameter, body) => {
    expect(() => exchange(body, false)).toThrow(expect.objectContaining({ type: 'invalid_request', metadata: { param: parameter } }));
  });
});

describe('embeddings', () => {
  const exchange = (body: JsonObject, dialect: 'openai-chat' | 'gemini' | 'anthropic-messages') =>
    createExchange({
      clientDialect: 'openai-chat',
      apiType: 'embeddings',
      body: Buffer.from(JSON.stringify(body)),
      stream: false,
      identity: IDENTITY,
      endpoint: { providerModelId: 'embed-x', supportedParameters: [], traits: {}, inputModalities: [] },
      manifest: { dialect },
    });
  const openaiAnswer = Buffer.from(
    JSON.stringify({
      data: [
        { index: 1, embedding: [2, 3] },
        { index: 0, embedding: [0.5, 1] },
      ],
      usage: { prompt_tokens: 4, total_tokens: 4 },
    }),
  );

  it('go to an OpenAI-like provider and come back in order', () => {
    const attempt = exchange({ input: ['a', 'b'], dimensions: 2, provider: {} }, 'openai-chat');
    expect(attempt.buildRequest()).toMatchObject({
      path: '/embeddings',
      body: JSON.stringify({ model: 'embed-x', input: ['a', 'b'], dimensions: 2, encoding_format: 'float' }),
    });
    const answer = attempt.readWhole(openaiAnswer);
    expect(JSON.parse(Buffer.from(answer.bytes).toString())).toEqual({
      id: IDENTITY.generationId,
      provider: 'Somewhere',
      object: 'list',
      model: 'author/slug',
      data: [
        { object: 'embedding', index: 0, embedding: [0.5, 1] },
        { object: 'embedding', index: 1, embedding: [2, 3] },
      ],
    });
    expect(answer.meters).toEqual({ input_uncached: 4 });
  });

  it('leave what is the gateway’s own out, and take the rest along', () => {
    const gatewayFields = {
      models: ['a/b'],
      route: 'fallback',
      provider: { order: ['x'] },
      plugins: [{ id: 'web' }],
      preset: 'p',
      transforms: ['middle-out'],
      usage: { include: true },
      service_tier: 'flex',
      stream: false,
      stream_options: { include_usage: true },
      session_id: 's',
      trace: { trace_id: 't' },
      metadata: { a: 'b' },
    };
    const { body } = exchange({ ...gatewayFields, input: 'a', user: 'u', truncate: 'END' }, 'openai-chat').buildRequest();
    expect(JSON.parse(body)).toEqual({ model: 'embed-x', input: 'a', encoding_format: 'float', user: 'u', truncate: 'END' });
  });

  it('are written as base64 of float32 when asked', () => {
    const answer = exchange({ input: ['a', 'b'], encoding_format: 'base64' }, 'openai-chat').readWhole(openaiAnswer);
    const { data } = JSON.parse(Buffer.from(answer.bytes).toString()) as { data: { embedding: string }[] };
    const bytes = Buffer.from(data[0]!.embedding, 'base64');
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4), bytes.length]).toEqual([0.5, 1, 8]);
  });

  it('go to Gemini in one batch', () => {
    const request = exchange({ input: 'a', dimensions: 768, input_type: 'search_query' }, 'gemini').buildRequest();
    expect(request.path).toBe('/models/embed-x:batchEmbedContents');
    expect(JSON.parse(request.body)).toEqual({
      requests: [{ model: 'models/embed-x', content: { parts: [{ text: 'a' }] }, taskType: 'RETRIEVAL_QUERY', outputDimensionality: 768 }],
    });
  });

  it('go to Gemini in one batch or not at all: it takes a hundred', () => {
    const build = (count: number) => () => exchange({ input: Array.from({ length: count }, () => 'a') }, 'gemini').buildRequest();
    expect(build(100)).not.toThrow();
    expect(build(101)).toThrow(expect.objectContaining({ type: 'invalid_request', metadata: { param: 'input' } }));
  });

  it('are refused where the API has none, and where vectors are missing', () => {
    expect(() => exchange({ input: 'a' }, 'anthropic-messages').buildRequest()).toThrow(expect.objectContaining({ type: 'not_implemented' }));
    expect(() => exchange({ input: ['a', 'b', 'c'] }, 'openai-chat').readWhole(openaiAnswer)).toThrow(/2 embeddings for 3 inputs/);
    expect(() => exchange({ input: [] }, 'openai-chat')).toThrow(expect.objectContaining({ metadata: { param: 'input' } }));
    expect(() => exchange({ input: [1, 2] }, 'gemini').buildRequest()).toThrow(
      expect.objectContaining({ type: 'invalid_request', metadata: { param: 'input' } }),
    );
  });
});

describe('the tail of an answer', () => {
  it('is usage with its cost, in a chunk that strict clients take', () => {
    const event = client.renderUsageChunk(USAGE, IDENTITY, 'chat', { serviceTier: 'default', warnings: ['top_k: dropped.'] });
    expect(event).toMatch(/^data: \{.*\}\n\n$/);
    expect(chatStreamChunkFromJSON(event.slice(6))).toMatchObject({
      ok: true,
      value: {
        usage: {
          promptTokens: 15,
          completionTokens: 10,
          totalTokens: 25,
          cost: 0.0000123,
          isByok: false,
          promptTokensDetails: { cachedTokens: 7, cacheWriteTokens: 3 },
          completionTokensDetails: { reasoningTokens: 6 },
        },
      },
    });
    expect(JSON.parse(event.slice(6))).toMatchObject({ choices: [{ delta: { content: '' }, finish_reason: null }], warnings: ['top_k: dropped.'] });
  });

  it('says no role again, which clients would join to the one that the stream began with', () => {
    const renderer = client.createStreamRenderer(IDENTITY, 'chat');
    const stream =
      renderer.render({ type: 'text-delta', text: 'Hi' }) +
      renderer.render({ type: 'finish', finishReason: 'stop', nativeFinishReason: null }) +
      client.renderUsageChunk(USAGE, IDENTITY, 'chat');
    expect(stream.split('"role"')).toHaveLength(2);
  });

  it('is spliced into a whole answer', () => {
    const whole = client.renderChatResponse({ parts: [{ kind: 'text', text: 'Hi' }], finishReason: 'stop', nativeFinishReason: 'end_turn' }, IDENTITY);
    const spliced = whole.slice(0, -1) + client.renderWholeTail(USAGE, 'chat', {});
    expect(chatResultFromJSON(spliced)).toMatchObject({ ok: true, value: { usage: { totalTokens: 25, costDetails: { upstreamInferenceCost: null } } } });
  });

  it('may be preceded by the upstream body, when the client asked for it', () => {
    expect(chatStreamChunkFromJSON(client.renderDebugChunk('{"model":"x"}', IDENTITY).slice(6))).toMatchObject({ ok: true });
    expect(client.renderDebugChunk('{"model":"x"}', IDENTITY)).toContain('"debug":{"echo_upstream_body":{"model":"x"}}');
  });
});
