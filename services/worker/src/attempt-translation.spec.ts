import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { common, worker } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { chatStart, json, RunnerHarness, ScriptedUpstream, sse, startReading } from './runner-harness.fake.js';

let upstream: ScriptedUpstream;
let harness: RunnerHarness;
let pictures: Server;
let pictureUrl: string;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  harness = new RunnerHarness({ allowCidrs: ['127.0.0.1/32'] });
  pictures = createServer((_request, response) => void response.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from('89504e47', 'hex')));
  await new Promise<void>((resolve) => pictures.listen(0, '127.0.0.1', resolve));
  pictureUrl = `http://127.0.0.1:${(pictures.address() as AddressInfo).port}/a.png`;
});

afterEach(() => {
  upstream.hits.length = 0;
  harness.results.length = 0;
});

afterAll(async () => {
  await harness.close();
  upstream.close();
  pictures.close();
});

const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];

function start(manifest: string, body: object, stream: boolean): worker.StartFrame {
  return chatStart(upstream.url, { body: Buffer.from(JSON.stringify({ ...body, stream })), stream }, { traits: { manifest, credential: 'none' } });
}

function anthropicEvents(events: readonly (object & { type: string })[]): string {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

// https://docs.anthropic.com/en/docs/build-with-claude/streaming
const ANTHROPIC_START = {
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'model-1-native',
    content: [],
    stop_reason: null,
    usage: { input_tokens: 9, cache_read_input_tokens: 100, output_tokens: 1 },
  },
};
const ANTHROPIC_TEXT = [
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Let me ' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'look.' } },
  { type: 'content_block_stop', index: 0 },
];
const ANTHROPIC_TOOL = [
  { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} } },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"city":' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '"Oslo"}' } },
  { type: 'content_block_stop', index: 1 },
];
const ANTHROPIC_END = [{ type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 30 } }, { type: 'message_stop' }];

describe('an attempt against Anthropic Messages', () => {
  const body = { messages: [{ role: 'user', content: 'Weather in Oslo?' }], tools };

  it('streams text and tool calls in the client’s dialect', async () => {
    upstream.script = (response) =>
      void sse(response).end(anthropicEvents([ANTHROPIC_START, ...ANTHROPIC_TEXT, { type: 'ping' }, ...ANTHROPIC_TOOL, ...ANTHROPIC_END]));
    const listener = startReading(harness.runner, start('anthropic', body, true));
    expect(await listener.ended).toMatchObject({ end: worker.AttemptEnd.COMPLETED, upstreamId: 'msg_1' });
    expect(upstream.hits[0]).toMatchObject({ path: '/v1/messages', headers: { 'anthropic-version': '2023-06-01' } });
    expect(JSON.parse(upstream.hits[0]!.body)).toMatchObject({ model: 'model-1-native', stream: true, tools: [{ name: 'weather' }] });
    expect(listener.content).toBe('Let me look.');
    const calls = listener.chunks.flatMap(
      (chunk) => (chunk.choices[0]?.delta?.tool_calls ?? []) as { id?: string; function: { name?: string; arguments?: string } }[],
    );
    expect(calls[0]).toMatchObject({ index: 0, id: 'toolu_1', type: 'function', function: { name: 'weather' } });
    expect(calls.map((call) => call.function.arguments ?? '').join('')).toBe('{"city":"Oslo"}');
    expect(listener.data.at(-1)).toMatchObject({ finishReason: 'tool_calls', nativeFinishReason: 'tool_use' });
    expect(listener.usages.at(-1)).toEqual({
      usage: { meters: { input_uncached: 9, cache_read: 100, output_text: 30 }, source: common.UsageSource.PROVIDER },
      isFinal: true,
    });
  });

  it('answers whole', async () => {
    upstream.script = (response) =>
      json(response, 200, {
        id: 'msg_2',
        type: 'message',
        role: 'assistant',
        content: [{ type: 'text', text: 'Cold.' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 9, output_tokens: 2 },
      });
    const listener = startReading(harness.runner, start('anthropic', body, false));
    await listener.ended;
    expect(JSON.parse(listener.text)).toMatchObject({
      object: 'chat.completion',
      model: 'maker/model-1',
      provider: 'Test Provider',
      choices: [{ message: { role: 'assistant', content: 'Cold.' }, finish_reason: 'stop' }],
    });
  });

  it('knows the prompt’s size of an aborted stream from its first event, and estimates the rest', async () => {
    upstream.script = (response) => void sse(response).write(anthropicEvents([ANTHROPIC_START, ...ANTHROPIC_TEXT]));
    const listener = startReading(harness.runner, start('anthropic', body, true));
    await eventually(() => expect(listener.content).toBe('Let me look.'));
    listener.handle.cancel('the client left');
    await listener.ended;
    expect(listener.usages.at(-1)).toEqual({
      usage: { meters: { input_uncached: 9, cache_read: 100, output_text: 3 }, source: common.UsageSource.ESTIMATED },
      isFinal: true,
    });
  });

  it('tells an overload before and inside a stream', async () => {
    const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    upstream.script = (response) => json(response, 529, overloaded);
    expect((await startReading(harness.runner, start('anthropic', body, true)).ended).error).toMatchObject({
      errorType: 'provider_overloaded',
      upstreamStatus: 529,
    });
    upstream.script = (response) => void sse(response).end(anthropicEvents([ANTHROPIC_START, ...ANTHROPIC_TEXT, overloaded]));
    const listener = startReading(harness.runner, start('anthropic', body, true));
    expect(await listener.ended).toMatchObject({ end: worker.AttemptEnd.FAILED, error: { errorType: 'provider_overloaded' } });
    expect(listener.content).toBe('Let me look.');
  });

  it('never takes a stream without its last event for a whole one', async () => {
    upstream.script = (response) => void sse(response).end(anthropicEvents([ANTHROPIC_START, ...ANTHROPIC_TEXT]));
    expect(await startReading(harness.runner, start('anthropic', body, true)).ended).toMatchObject({
      end: worker.AttemptEnd.FAILED,
      error: { errorType: 'provider_unavailable' },
    });
  });
});

describe('an attempt against Gemini', () => {
  const body = { messages: [{ role: 'user', content: 'Say hello' }] };

  it('streams', async () => {
    const chunk = (text: string, rest: object = {}) =>
      `data: ${JSON.stringify({ responseId: 'resp-1', candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0, ...rest }], usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 6, totalTokenCount: 10 } })}\r\n\r\n`;
    upstream.script = (response) => void sse(response).end(chunk('Hel') + chunk('lo.', { finishReason: 'STOP' }));
    const listener = startReading(harness.runner, start('google', body, true));
    expect(await listener.ended).toMatchObject({ end: worker.AttemptEnd.COMPLETED });
    expect(upstream.hits[0]!.path).toBe('/v1/models/model-1-native:streamGenerateContent?alt=sse');
    expect(listener.content).toBe('Hello.');
    expect(listener.usages.at(-1)).toEqual({ usage: { meters: { input_uncached: 4, output_text: 6 }, source: common.UsageSource.PROVIDER }, isFinal: true });
  });

  it('gets a picture as bytes, which the worker fetched', async () => {
    upstream.script = (response) =>
      json(response, 200, {
        candidates: [{ content: { role: 'model', parts: [{ text: 'A dot.' }] }, finishReason: 'STOP' }],
        usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 2, totalTokenCount: 6 },
      });
    const withPicture = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: pictureUrl } }] }] };
    expect((await startReading(harness.runner, start('google', withPicture, false)).ended).end).toBe(worker.AttemptEnd.COMPLETED);
    expect(upstream.hits[0]!.body).toContain('iVBORw==');
    expect(upstream.hits[0]!.body).not.toContain(pictureUrl);
  });

  it.each([
    ['a private address', 'http://169.254.169.254/latest/meta-data', 'invalid_request'],
    ['a mapped one', 'http://[::ffff:10.0.0.1]/a.png', 'invalid_request'],
    ['a host that does not exist', 'http://no-such-host.invalid/a.png', 'image_download_failed'],
  ])('is not asked at all when a picture is at %s', async (_what, url, errorType) => {
    const withPicture = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] };
    expect(await startReading(harness.runner, start('google', withPicture, false)).ended).toMatchObject({
      end: worker.AttemptEnd.FAILED,
      error: { errorType },
    });
    expect(upstream.hits).toHaveLength(0);
    expect(harness.results).toHaveLength(0);
  });

  it('stops fetching pictures when the client leaves', async () => {
    const hanging = createServer(() => undefined);
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}/a.png`;
    const listener = startReading(
      harness.runner,
      start('google', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] }, true),
    );
    await new Promise<void>((resolve) => hanging.once('request', () => resolve()));
    listener.handle.cancel('the client left');
    expect((await listener.ended).end).toBe(worker.AttemptEnd.CANCELLED);
    hanging.closeAllConnections();
    hanging.close();
  });
});

describe('an embedding', () => {
  it('comes whole with its usage', async () => {
    upstream.script = (response) =>
      json(response, 200, {
        object: 'list',
        model: 'model-1-native',
        data: [{ object: 'embedding', index: 0, embedding: [0.5, -0.5] }],
        usage: { prompt_tokens: 3, total_tokens: 3 },
      });
    const frame = chatStart(upstream.url, { apiType: 'embeddings', body: Buffer.from(JSON.stringify({ model: 'maker/model-1', input: 'text' })) });
    const listener = startReading(harness.runner, frame);
    expect((await listener.ended).end).toBe(worker.AttemptEnd.COMPLETED);
    expect(upstream.hits[0]!.path).toBe('/v1/embeddings');
    expect(JSON.parse(listener.text)).toMatchObject({ object: 'list', data: [{ embedding: [0.5, -0.5] }] });
    expect(listener.usages[0]).toMatchObject({ usage: { meters: { input_uncached: 3 } } });
  });
});
