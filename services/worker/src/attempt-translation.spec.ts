import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { common, worker } from '@switchyard/proto';
import { eventually, manualClock } from '@switchyard/testing';
import { chatStart, json, RunnerHarness, ScriptedUpstream, sse, startReading } from './runner-harness.fake.js';

let upstream: ScriptedUpstream;
let harness: RunnerHarness;
let pictures: Server;
let pictureUrl: string;
let answerPicture: RequestListener;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  harness = new RunnerHarness({ allowCidrs: ['127.0.0.1/32'] });
  pictures = createServer((request, response) => answerPicture(request, response));
  await new Promise<void>((resolve) => pictures.listen(0, '127.0.0.1', resolve));
  pictureUrl = `http://127.0.0.1:${(pictures.address() as AddressInfo).port}/a.png`;
});

beforeEach(() => {
  answerPicture = (_request, response) => void response.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from('89504e47', 'hex'));
});

afterEach(() => {
  upstream.hits.length = 0;
  harness.results.length = 0;
});

afterAll(async () => {
  await harness.close();
  upstream.close();
  pictures.closeAllConnections();
  pictures.close();
});

const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];

function start(manifest: string, body: object, stream: boolean): worker.StartFrame {
  return chatStart(upstream.url, { body: Buffer.from(JSON.stringify({ ...body, stream })), stream }, { traits: { manifest, credential: 'none' } });
}

function withPicture(url = pictureUrl): object {
  return { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] };
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
    expect((await startReading(harness.runner, start('google', withPicture(), false)).ended).end).toBe(worker.AttemptEnd.COMPLETED);
    expect(upstream.hits[0]!.body).toContain('iVBORw==');
    expect(upstream.hits[0]!.body).not.toContain(pictureUrl);
  });

  it.each([
    ['a private address', 'http://169.254.169.254/latest/meta-data', 'invalid_request'],
    ['a mapped one', 'http://[::ffff:10.0.0.1]/a.png', 'invalid_request'],
    ['a host that does not exist', 'http://no-such-host.invalid/a.png', 'image_download_failed'],
  ])('is not asked at all when a picture is at %s', async (_what, url, errorType) => {
    expect(await startReading(harness.runner, start('google', withPicture(url), false)).ended).toMatchObject({
      end: worker.AttemptEnd.FAILED,
      error: { errorType },
    });
    expect(upstream.hits).toHaveLength(0);
    expect(harness.results).toHaveLength(0);
  });

  it('gives back what its pictures held, so that the next request has room for its own', async () => {
    const small = new RunnerHarness({ allowCidrs: ['127.0.0.1/32'], mediaMaxHeldBytes: 8 });
    upstream.script = (response) => json(response, 200, { candidates: [{ content: { role: 'model', parts: [{ text: 'A dot.' }] }, finishReason: 'STOP' }] });
    for (let count = 0; count < 3; count++)
      expect(await startReading(small.runner, start('google', withPicture(), false)).ended).toMatchObject({ end: worker.AttemptEnd.COMPLETED });
    await small.close();
  });

  it('stops fetching pictures when the client leaves', async () => {
    const wasAsked = new Promise<void>((resolve) => (answerPicture = () => resolve()));
    const listener = startReading(harness.runner, start('google', withPicture(), true));
    await wasAsked;
    listener.handle.cancel('the client left');
    expect((await listener.ended).end).toBe(worker.AttemptEnd.CANCELLED);
  });

  describe('while a picture is slow', () => {
    const SLOW_MS = 60;
    const limits = { connectMs: 20n, firstTokenMs: 20n, betweenChunksMs: 5_000n, totalMs: 20_000n };
    let slow: RunnerHarness;

    afterEach(async () => slow.close());

    function startSlow(deadlines: worker.Deadlines): ReturnType<typeof startReading> {
      return startReading(slow.runner, { ...start('google', withPicture(), true), deadlines });
    }

    it('has its own time only once it is asked', async () => {
      // Time passes for the picture and, from the second request on, for the provider.
      const clock = manualClock();
      slow = new RunnerHarness({ allowCidrs: ['127.0.0.1/32'], dependencies: { clock } });
      const answerAtOnce = answerPicture;
      answerPicture = (request, response) => {
        clock.advance(5_000);
        setTimeout(() => answerAtOnce(request, response), SLOW_MS);
      };
      const candidate = { content: { role: 'model', parts: [{ text: 'A dot.' }] }, finishReason: 'STOP' };
      upstream.script = (response) => void sse(response).end(`data: ${JSON.stringify({ candidates: [candidate] })}\n\n`);
      expect(await startSlow(limits).ended).toMatchObject({ end: worker.AttemptEnd.COMPLETED, error: undefined });
      expect(slow.results[0]!.result.firstTokenMs).toBe(0);
      upstream.script = () => clock.advance(20);
      const metadataJson = JSON.stringify({ stage: 'first-token', limitMs: 20 });
      expect(await startSlow(limits).ended).toMatchObject({ end: worker.AttemptEnd.FAILED, error: { errorType: 'timeout', metadataJson } });
      expect(upstream.hits).toHaveLength(2);
    });

    it.each([
      ['longer than pictures may take', SLOW_MS, limits],
      ['until the time of the attempt is over', 20_000, { ...limits, totalMs: BigInt(SLOW_MS) }],
    ])('is not to blame when that lasts %s', async (_what, mediaTimeoutMs, deadlines) => {
      slow = new RunnerHarness({ allowCidrs: ['127.0.0.1/32'], mediaTimeoutMs });
      answerPicture = () => undefined;
      expect(await startSlow(deadlines).ended).toMatchObject({ end: worker.AttemptEnd.FAILED, error: { errorType: 'image_download_failed' } });
      expect([upstream.hits, slow.results]).toEqual([[], []]);
    });
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
