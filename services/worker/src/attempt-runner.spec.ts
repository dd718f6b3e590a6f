import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { common, events, worker } from '@switchyard/proto';
import { eventually } from '@switchyard/testing';
import { attemptCompleted } from './core/attempt-report.js';
import {
  chatStart,
  CollectingListener,
  DONE,
  json,
  openaiChunk,
  OPENAI_FINISH,
  OPENAI_USAGE,
  RunnerHarness,
  ScriptedUpstream,
  sse,
  startReading,
} from './runner-harness.fake.js';

let upstream: ScriptedUpstream;
let harness: RunnerHarness;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  harness = new RunnerHarness();
});

afterEach(() => {
  upstream.hits.length = 0;
  harness.results.length = 0;
  expect(harness.unexpected).toEqual([]);
});

afterAll(async () => {
  await harness.close();
  upstream.close();
});

const { COMPLETED, FAILED, CANCELLED } = worker.AttemptEnd;
const whole = {
  id: 'chatcmpl-9',
  object: 'chat.completion',
  created: 5,
  model: 'model-1-native',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 11, completion_tokens: 2, total_tokens: 13 },
  own_field: { kept: true },
};

describe('a whole answer', () => {
  it('comes in the client’s dialect without usage, is metered and reported with its cost', async () => {
    upstream.script = (response) => json(response, 200, whole, { 'x-request-id': 'req-7' });
    const listener = startReading(harness.runner, chatStart(upstream.url));
    const end = await listener.ended;
    expect(end).toMatchObject({ end: COMPLETED, error: undefined });
    expect(listener.events).toEqual(['headers', 'data', 'usage', 'end']);
    const answer = JSON.parse(listener.text) as Record<string, unknown>;
    expect(listener.text.endsWith('}')).toBe(true);
    expect(answer).toMatchObject({ model: 'maker/model-1', choices: [{ message: { content: 'Hello.' }, finish_reason: 'stop' }], own_field: { kept: true } });
    expect(String(answer['id'])).toMatch(/^gen-/);
    expect(answer).not.toHaveProperty('usage');
    expect(listener.usages).toEqual([{ usage: { meters: { input_uncached: 11, output_text: 2 }, source: common.UsageSource.PROVIDER }, isFinal: true }]);
    expect(harness.results).toHaveLength(1);
    expect(harness.results[0]!.result).toMatchObject({
      outcome: events.AttemptOutcome.COMPLETED,
      upstreamStatus: 200,
      meters: { input_uncached: 11, output_text: 2 },
      error: undefined,
    });
    expect(upstream.hits[0]).toMatchObject({ path: '/v1/chat/completions', headers: { 'content-type': 'application/json', 'accept-encoding': 'identity' } });
    expect(JSON.parse(upstream.hits[0]!.body)).toMatchObject({ model: 'model-1-native', messages: [{ role: 'user', content: 'Say hello, please.' }] });
  });

  it('keeps to the window', async () => {
    const text = 'x'.repeat(200_000);
    upstream.script = (response) =>
      json(response, 200, { ...whole, choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }] });
    const listener = new CollectingListener();
    const handle = harness.runner.start(chatStart(upstream.url, { initialGrantBytes: 40_000n }), listener);
    await eventually(() => expect(listener.receivedBytes).toBe(65_536));
    handle.grant(100_000);
    await eventually(() => expect(listener.receivedBytes).toBe(163_840));
    handle.grant(1_000_000);
    await listener.ended;
    expect(JSON.parse(listener.text)).toMatchObject({ choices: [{ message: { content: text } }] });
  });

  it('is estimated and flagged when the provider reports no usage', async () => {
    upstream.script = (response) => json(response, 200, { ...whole, usage: undefined });
    const listener = startReading(harness.runner, chatStart(upstream.url));
    await listener.ended;
    const usage = listener.usages[0]!.usage!;
    expect(usage.source).toBe(common.UsageSource.ESTIMATED);
    expect(usage.meters['input_uncached']).toBeGreaterThan(3);
    expect(usage.meters['output_text']).toBe(2);
    expect(harness.results[0]!.result.usageSource).toBe(common.UsageSource.ESTIMATED);
  });

  it('is read although it comes compressed', async () => {
    upstream.script = (response) =>
      void response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(gzipSync(JSON.stringify(whole)));
    const listener = startReading(harness.runner, chatStart(upstream.url));
    expect((await listener.ended).end).toBe(COMPLETED);
    expect(JSON.parse(listener.text)).toMatchObject({ choices: [{ message: { content: 'Hello.' } }] });
  });
});

describe('a stream', () => {
  it('leaves piece by piece: the first chunk before the last one exists', async () => {
    let finish: () => void = () => undefined;
    upstream.script = (response) => {
      sse(response).write(openaiChunk({ role: 'assistant', content: 'Hel' }));
      finish = () => void response.end(openaiChunk({ content: 'lo.' }) + OPENAI_FINISH + OPENAI_USAGE + DONE);
    };
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    await eventually(() => expect(listener.content).toBe('Hel'));
    expect(listener.ends).toHaveLength(0);
    finish();
    expect(await listener.ended).toMatchObject({ end: COMPLETED });
    expect(listener.content).toBe('Hello.');
    expect(listener.events[0]).toBe('headers');
    expect(listener.headers).toEqual({ upstreamStatus: 200, upstreamId: 'req-upstream-1' });
    expect(listener.data.at(-1)).toMatchObject({ finishReason: 'stop', nativeFinishReason: 'stop' });
    expect(listener.chunks.every(({ id, model }) => id.startsWith('gen-') && model === 'maker/model-1')).toBe(true);
    expect(listener.text).not.toContain('[DONE]');
    expect(listener.text).not.toContain('"usage":{');
    expect(listener.usages.at(-1)).toEqual({ usage: { meters: { input_uncached: 11, output_text: 7 }, source: common.UsageSource.PROVIDER }, isFinal: true });
    expect(harness.results[0]!.result.firstTokenMs).toBeGreaterThanOrEqual(0);
  });

  it('survives any split of its bytes', async () => {
    const bytes = Buffer.from(openaiChunk({ content: 'Grüße, 世界 🌍' }) + OPENAI_FINISH + OPENAI_USAGE + DONE);
    upstream.script = async (response) => {
      sse(response);
      for (const byte of bytes) await new Promise<void>((resolve) => response.write(Buffer.from([byte]), () => setImmediate(resolve)));
      response.end();
    };
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    expect((await listener.ended).end).toBe(COMPLETED);
    expect(listener.content).toBe('Grüße, 世界 🌍');
  });

  it('is written into the same memory again for whoever takes its bytes at once, and into memory of its own for others', async () => {
    upstream.script = (response) => {
      sse(response);
      for (let index = 0; index < 50; index++) response.write(openaiChunk({ content: `${index}-`.padEnd(3_000, 'é') }));
      response.end(OPENAI_FINISH + OPENAI_USAGE + DONE);
    };
    const texts: string[] = [];
    const memories = new Set<ArrayBufferLike>();
    const taking = Object.assign(new CollectingListener(), {
      takesBytesAtOnce: true,
      onData: ({ bytes }: worker.DataFrame) => {
        texts.push(Buffer.from(bytes).toString());
        memories.add(bytes.buffer);
      },
    });
    harness.runner.start(chatStart(upstream.url, { stream: true, initialGrantBytes: 1_000_000n }), taking);
    expect((await taking.ended).end).toBe(COMPLETED);
    const keeping = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    await keeping.ended;
    const contents = Array.from({ length: 50 }, (_, index) => `${index}-`.padEnd(3_000, 'é'));
    expect(texts.join('').match(/\d+-é+/g)).toEqual(contents);
    expect(keeping.content).toBe(contents.join(''));
    expect(texts.length).toBeGreaterThan(1);
    expect(memories.size).toBe(1);
  });

  it('shows the upstream body first when the client asked for it, outside the window', async () => {
    upstream.script = (response) => void sse(response).end(openaiChunk({ content: 'Hi' }) + OPENAI_FINISH + DONE);
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true, echoUpstreamBody: true }));
    await listener.ended;
    expect(listener.events.slice(0, 2)).toEqual(['debug', 'headers']);
    expect(Buffer.from(listener.data[0]!.bytes).toString()).toContain('model-1-native');
    expect(listener.data[0]).toMatchObject({ hasContent: false, isDebug: true });
  });

  it('tells the size of an upstream body that is too large to be shown', async () => {
    upstream.script = (response) => void sse(response).end(openaiChunk({ content: 'Hi' }) + OPENAI_FINISH + DONE);
    const body = Buffer.from(JSON.stringify({ model: 'acme/model-1', stream: true, messages: [{ role: 'user', content: 'x'.repeat(5_000_000) }] }));
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true, echoUpstreamBody: true, body }));
    expect((await listener.ended).end).toBe(COMPLETED);
    const [debug] = listener.data;
    expect(debug!.isDebug).toBe(true);
    expect(debug!.bytes.byteLength).toBeLessThan(1_000);
    expect(Buffer.from(debug!.bytes).toString()).toMatch(/5000\d\d\d bytes/);
  });

  it('is decompressed as it comes', async () => {
    const compressed = gzipSync(openaiChunk({ content: 'Zipped' }) + OPENAI_FINISH + OPENAI_USAGE + DONE);
    upstream.script = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
      response.write(compressed.subarray(0, 40));
      setImmediate(() => response.end(compressed.subarray(40)));
    };
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    expect((await listener.ended).end).toBe(COMPLETED);
    expect(listener.content).toBe('Zipped');
  });

  it('stops reading its provider when the window is used up, and goes on after a grant', async () => {
    let sentBytes = 0;
    upstream.script = (response) => {
      sse(response);
      const piece = openaiChunk({ content: 'y'.repeat(4_000) });
      const pump = () => {
        while (sentBytes < 12_000_000) {
          sentBytes += piece.length;
          if (!response.write(piece)) return void response.once('drain', pump);
        }
        response.end(OPENAI_FINISH + OPENAI_USAGE + DONE);
      };
      pump();
    };
    const listener = new CollectingListener();
    const handle = harness.runner.start(chatStart(upstream.url, { stream: true, initialGrantBytes: 10_000n }), listener);
    let before = -1;
    await eventually(
      () => {
        const isStill = before === sentBytes && sentBytes > 0;
        before = sentBytes;
        expect(isStill).toBe(true);
      },
      { intervalMs: 100 },
    );
    // One read may overdraw the window; what else was sent waits in the kernel.
    expect(listener.receivedBytes).toBeLessThan(200_000);
    expect(sentBytes).toBeLessThan(9_000_000);
    handle.grant(100_000_000);
    expect((await listener.ended).end).toBe(COMPLETED);
    expect(listener.content.length).toBeGreaterThanOrEqual(11_000_000);
  });
});

describe('cancelling', () => {
  it('reaches the provider and tells what was used so far', async () => {
    upstream.script = (response) => void sse(response).write(openaiChunk({ content: 'One two three four' }));
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    await eventually(() => expect(listener.content).not.toBe(''));
    listener.handle.cancel('the client left');
    listener.handle.cancel('twice');
    expect(await listener.ended).toMatchObject({ end: CANCELLED, error: undefined });
    await eventually(() => expect(upstream.hits[0]!.isAborted).toBe(true));
    expect(listener.usages.at(-1)).toMatchObject({ isFinal: true, usage: { source: common.UsageSource.ESTIMATED, meters: { output_text: 5 } } });
    expect(harness.results[0]!.result).toMatchObject({ outcome: events.AttemptOutcome.CANCELLED, meters: { output_text: 5 } });
    listener.handle.cancel('late');
    listener.handle.grant(5);
    expect(listener.ends).toHaveLength(1);
  });

  it('works while the window is closed and before the provider answered', async () => {
    upstream.script = (response) => void sse(response).write(openaiChunk({ content: 'z'.repeat(50_000) }));
    const stopped = new CollectingListener();
    const handle = harness.runner.start(chatStart(upstream.url, { stream: true, initialGrantBytes: 1n }), stopped);
    await eventually(() => expect(stopped.receivedBytes).toBeGreaterThan(0));
    handle.cancel('the client left');
    expect((await stopped.ended).end).toBe(CANCELLED);

    upstream.script = () => undefined;
    const silent = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    await eventually(() => expect(upstream.hits).toHaveLength(2));
    silent.handle.cancel('the client left');
    expect((await silent.ended).end).toBe(CANCELLED);
    expect(silent.usages).toEqual([]);

    const unborn = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    unborn.handle.cancel('at once');
    expect(unborn.ends).toHaveLength(0);
    expect((await unborn.ended).end).toBe(CANCELLED);
    expect(upstream.hits).toHaveLength(2);
  });

  it.each([
    ['the headers of a stream', true, ''],
    ['the keep-alives of a stream', true, ': ping\n\n'],
    ['a beginning of a stream without content', true, openaiChunk({ role: 'assistant', content: '' })],
    ['the headers of a whole answer', false, ''],
  ])('costs the prompt once the provider has taken it on: no more than %s came', async (_what, stream, written) => {
    upstream.script = (response) => {
      response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' }).flushHeaders();
      if (written !== '') response.write(written);
    };
    const start = chatStart(upstream.url, { stream });
    const listener = startReading(harness.runner, start);
    await eventually(() => expect(listener.headers).toBeDefined());
    listener.handle.cancel('the client left');
    expect(await listener.ended).toMatchObject({ end: CANCELLED, error: undefined });
    const { result } = harness.results[0]!;
    expect(result).toMatchObject({ outcome: events.AttemptOutcome.CANCELLED, upstreamStatus: 200, usageSource: common.UsageSource.ESTIMATED });
    const meters = result.meters!;
    expect(meters).toEqual({ input_uncached: expect.any(Number) });
    expect(listener.usages).toEqual([{ usage: { meters, source: common.UsageSource.ESTIMATED }, isFinal: true }]);
    const event = attemptCompleted(start, result, 'event-1', 'worker-1');
    expect(event).toMatchObject({ costPico: BigInt(meters.input_uncached!) * 1_000_000n, flags: ['usage_estimated'] });
    expect(event.costPico).toBeGreaterThan(3_000_000n);
  });

  it('costs the fee of a request, too, where the provider takes one', async () => {
    upstream.script = (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    const { costSchedule } = chatStart(upstream.url);
    const schedule = { ...costSchedule!, ratesPico: { ...costSchedule!.ratesPico, request: 7n } };
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true, costSchedule: schedule }));
    await eventually(() => expect(listener.headers).toBeDefined());
    listener.handle.cancel('the client left');
    await listener.ended;
    expect(harness.results[0]!.result.meters).toMatchObject({ request: 1 });
  });
});

describe('failures of the provider', () => {
  async function errorOf(frame: worker.StartFrame): Promise<common.ErrorDetail> {
    const listener = startReading(harness.runner, frame);
    const end = await listener.ended;
    expect(end.end).toBe(FAILED);
    expect(listener.events.filter((event) => event === 'end')).toHaveLength(1);
    return end.error!;
  }

  it('knows a rate limit and how long it lasts', async () => {
    upstream.script = (response) =>
      json(response, 429, { error: { message: 'Slow down', type: 'requests', code: 'rate_limit_exceeded' } }, { 'retry-after': '7' });
    expect(await errorOf(chatStart(upstream.url))).toMatchObject({ errorType: 'rate_limit_exceeded', retryAfterMs: 7_000n, upstreamStatus: 429 });
    expect(harness.results[0]!.result).toMatchObject({ outcome: events.AttemptOutcome.UPSTREAM_FAILED, upstreamStatus: 429, meters: undefined });
  });

  it.each([
    [500, 'provider_unavailable'],
    [502, 'provider_unavailable'],
    [503, 'provider_overloaded'],
    [529, 'provider_overloaded'],
    [504, 'timeout'],
  ])('status %i is %s', async (status, errorType) => {
    upstream.script = (response) => void response.writeHead(status, { 'content-type': 'text/html' }).end('<html>oops</html>');
    expect(await errorOf(chatStart(upstream.url))).toMatchObject({ errorType, upstreamStatus: status });
  });

  it('reads only the beginning of a huge error page', async () => {
    upstream.script = (response) => void response.writeHead(500, { 'content-type': 'text/html' }).end(Buffer.alloc(30_000_000, 'e'));
    expect(await errorOf(chatStart(upstream.url))).toMatchObject({ errorType: 'provider_unavailable' });
  });

  it('does not follow redirects', async () => {
    upstream.script = (response) => void response.writeHead(302, { location: `${upstream.url}/elsewhere` }).end();
    expect(await errorOf(chatStart(upstream.url))).toMatchObject({ upstreamStatus: 302 });
    expect(upstream.hits).toHaveLength(1);
  });

  it('a refused connection, a name without address and a TLS mistake are provider_unavailable', async () => {
    const gone = await ScriptedUpstream.start();
    const { url } = gone;
    gone.close();
    expect(await errorOf(chatStart(url))).toMatchObject({ errorType: 'provider_unavailable', providerCode: 'ECONNREFUSED', upstreamStatus: 0 });
    expect(await errorOf(chatStart('http://no-such-host.invalid/v1'))).toMatchObject({ errorType: 'provider_unavailable' });
    expect(await errorOf(chatStart(upstream.url.replace('http:', 'https:')))).toMatchObject({ errorType: 'provider_unavailable' });
  });

  it.each([
    ['before the headers', (): string | undefined => undefined],
    ['after the headers', () => ''],
    ['between chunks', () => openaiChunk({ content: 'Hel' })],
    ['inside a chunk', () => openaiChunk({ content: 'Hel' }) + openaiChunk({ content: 'lo' }).slice(0, 30)],
    ['after the finish, before the end', () => openaiChunk({ content: 'Hel' }) + openaiChunk({ content: 'lo' })],
  ])('a stream cut %s is an error, never an end', async (_when, written) => {
    upstream.script = (response) => {
      const text = written();
      if (text === undefined) return void response.destroy();
      sse(response).flushHeaders();
      if (text === '') setImmediate(() => response.destroy());
      else response.write(text, () => setImmediate(() => response.destroy()));
    };
    expect(await errorOf(chatStart(upstream.url, { stream: true }))).toMatchObject({ errorType: 'provider_unavailable' });
    // A provider that fails before it said anything bills nothing, whatever its headers were.
    expect(harness.results[0]!.result.meters !== undefined).toBe(Boolean(written()));
  });

  it('a stream that ends in good order but before it was done is cut too', async () => {
    upstream.script = (response) => void sse(response).end(openaiChunk({ content: 'Hel' }));
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    const end = await listener.ended;
    expect(end).toMatchObject({ end: FAILED, error: { errorType: 'provider_unavailable', message: expect.stringContaining('the stream was cut') } });
    expect(listener.content).toBe('Hel');
    // What came is on the provider's bill.
    expect(harness.results[0]!.result).toMatchObject({
      outcome: events.AttemptOutcome.UPSTREAM_FAILED,
      meters: { output_text: 1 },
      usageSource: common.UsageSource.ESTIMATED,
    });
  });

  it('a whole answer that is cut is an error', async () => {
    upstream.script = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"id":', () => setImmediate(() => response.destroy()));
    };
    expect(await errorOf(chatStart(upstream.url))).toMatchObject({ errorType: 'provider_unavailable' });
    // The provider wrote it, so it is on its bill, whatever of it arrived.
    expect(harness.results[0]!.result).toMatchObject({ meters: { output_text: 2 }, usageSource: common.UsageSource.ESTIMATED });
    expect(harness.results[0]!.result.meters?.input_uncached).toBeGreaterThan(3);
    upstream.script = (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('x'.repeat(100_000));
    await errorOf(chatStart(upstream.url, { maxOutputTokens: 20n }));
    expect(harness.results[1]!.result.meters).toMatchObject({ output_text: 20 });
  });

  it('an error inside a stream ends it with that error', async () => {
    upstream.script = (response) =>
      void sse(response).end(
        openaiChunk({ content: 'Hel' }) + `data: ${JSON.stringify({ error: { message: 'overloaded', type: 'server_error', code: 503 } })}\n\n`,
      );
    const error = await errorOf(chatStart(upstream.url, { stream: true }));
    expect(['provider_unavailable', 'provider_overloaded']).toContain(error.errorType);
  });

  it.each([true, false])('status 200 with an error as its body is a failure (stream: %s)', async (stream) => {
    upstream.script = (response) => json(response, 200, { error: { message: 'model is busy', type: 'rate_limit_error', code: 'rate_limit_exceeded' } });
    expect(await errorOf(chatStart(upstream.url, { stream }))).toMatchObject({ errorType: 'rate_limit_exceeded' });
  });

  it.each([
    ['a page', 'text/html', '<html></html>', false],
    ['a page for a stream', 'text/html', '<html></html>', true],
    ['a stream for a whole answer', 'text/event-stream', DONE, false],
    ['a whole answer for a stream', 'application/json', JSON.stringify(whole), true],
    ['garbage', 'application/json', '{"choices": [', false],
    ['JSON of another kind', 'application/json', '[1,2]', false],
    ['a stream of garbage', 'text/event-stream', 'data: {{{{\n\n', true],
    ['an unknown encoding', 'application/json', '{}', false],
  ])('%s is provider_unavailable', async (name, contentType, body, stream) => {
    upstream.script = (response) =>
      void response.writeHead(200, { 'content-type': contentType, ...(name === 'an unknown encoding' ? { 'content-encoding': 'rot13' } : {}) }).end(body);
    expect(await errorOf(chatStart(upstream.url, { stream }))).toMatchObject({ errorType: 'provider_unavailable' });
  });

  it('bounds whole answers, lines of a stream and what unfolds from a compressed body', async () => {
    upstream.script = (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.alloc(3_000_000, ' '));
    expect(await errorOf(chatStart(upstream.url))).toMatchObject({ errorType: 'provider_unavailable', message: expect.stringContaining('more than') });
    upstream.script = (response) =>
      void response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(50_000_000, ' ')));
    expect(await errorOf(chatStart(upstream.url))).toMatchObject({ errorType: 'provider_unavailable', message: expect.stringContaining('more than') });
    upstream.script = (response) => {
      sse(response).write('data: ');
      const pump = () => {
        while (!response.destroyed) if (!response.write('x'.repeat(100_000))) return void response.once('drain', pump);
      };
      pump();
    };
    expect(await errorOf(chatStart(upstream.url, { stream: true, initialGrantBytes: 1_000_000_000n }))).toMatchObject({ errorType: 'provider_unavailable' });
  });
});

describe('an answer whose finish reason came', () => {
  const said = openaiChunk({ content: 'Hello, wide world.' }) + OPENAI_FINISH;
  const reported = { source: common.UsageSource.PROVIDER, meters: { input_uncached: 11, output_text: 7 } };
  const estimated = { source: common.UsageSource.ESTIMATED, meters: { output_text: 5 } };
  const deadlines = { connectMs: 5_000n, firstTokenMs: 5_000n, betweenChunksMs: 150n, totalMs: 5_000n };

  it.each([
    ['is cut off', said, true, estimated],
    ['is cut off behind its usage', said + OPENAI_USAGE, true, reported],
    ['falls silent', said, false, estimated],
    ['falls silent behind its usage', said + OPENAI_USAGE, false, reported],
    ['ends in garbage', `${said}data: {{{\n\n`, false, estimated],
    ['ends in garbage behind its usage', `${said}${OPENAI_USAGE}data: {{{\n\n`, false, reported],
  ])('is whole although it %s', async (_what, text, isCut, usage) => {
    upstream.script = (response) => void sse(response).write(text, () => isCut && setImmediate(() => response.destroy()));
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true, deadlines }));
    expect(await listener.ended).toMatchObject({ end: COMPLETED, error: undefined });
    expect(listener.content).toBe('Hello, wide world.');
    expect(listener.usages.at(-1)).toMatchObject({ isFinal: true, usage });
    expect(harness.results[0]!.result).toMatchObject({ outcome: events.AttemptOutcome.COMPLETED, usageSource: usage.source });
    await eventually(() => expect(upstream.hits[0]!.isAborted).toBe(true));
  });

  it('is none when the provider then says that it failed', async () => {
    upstream.script = (response) => void sse(response).end(`${said}data: ${JSON.stringify({ error: { message: 'late', type: 'server_error' } })}\n\n`);
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    expect(await listener.ended).toMatchObject({ end: FAILED, error: { errorType: 'provider_unavailable' } });
  });

  it('tells a client that leaves before the end the provider’s count, if that came', async () => {
    upstream.script = (response) => void sse(response).write(said + OPENAI_USAGE);
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    await eventually(() => expect(listener.usages).toHaveLength(1));
    listener.handle.cancel('the client left');
    expect((await listener.ended).end).toBe(CANCELLED);
    expect(listener.usages.at(-1)).toMatchObject({ isFinal: true, usage: reported });
    expect(harness.results[0]!.result.usageSource).toBe(common.UsageSource.PROVIDER);
  });
});

describe('usage that cannot be right', () => {
  it.each([
    ['negative', { prompt_tokens: -11, completion_tokens: -7, total_tokens: -18 }],
    ['nothing for an answer', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
    ['text', { prompt_tokens: '11', completion_tokens: '7' }],
  ])('is estimated and flagged, whole and streamed: %s', async (_what, usage) => {
    for (const stream of [false, true]) {
      const event = `data: ${JSON.stringify({ id: 'chatcmpl-1', choices: [], usage })}\n\n`;
      upstream.script = (response) =>
        stream ? void sse(response).end(openaiChunk({ content: 'Hello.' }) + OPENAI_FINISH + event + DONE) : json(response, 200, { ...whole, usage });
      const listener = startReading(harness.runner, chatStart(upstream.url, { stream }));
      expect((await listener.ended).end).toBe(COMPLETED);
      const last = listener.usages.at(-1)!.usage!;
      expect(last).toMatchObject({ source: common.UsageSource.ESTIMATED, meters: { output_text: 2 } });
      expect(last.meters['input_uncached']).toBeGreaterThan(3);
    }
  });

  it('does not take the count of a beginning for that of the whole', async () => {
    const early = openaiChunk({ content: 'Hello' }, { usage: { prompt_tokens: 11, completion_tokens: 1, total_tokens: 12 } });
    upstream.script = (response) => void sse(response).end(early + openaiChunk({ content: ', wide world.' }) + OPENAI_FINISH + DONE);
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true }));
    expect((await listener.ended).end).toBe(COMPLETED);
    expect(listener.usages.at(-1)).toMatchObject({ usage: { source: common.UsageSource.ESTIMATED, meters: { input_uncached: 11, output_text: 5 } } });
  });
});

describe('deadlines', () => {
  const deadlines = { connectMs: 1_000n, firstTokenMs: 5_000n, betweenChunksMs: 5_000n, totalMs: 5_000n };

  it.each([
    // Long enough for a busy machine to bring the request to its upstream first.
    ['no headers', { firstTokenMs: 400n }, undefined],
    ['headers and keep-alives without content', { firstTokenMs: 400n }, ': ping\n\n'],
    ['silence after content', { betweenChunksMs: 60n }, openaiChunk({ content: 'Hel' })],
    ['more than the total', { totalMs: 400n }, openaiChunk({ content: 'Hel' })],
  ])('a stream with %s ends with timeout and hangs up', async (_what, limits, written) => {
    upstream.script = (response) => {
      if (written !== undefined) sse(response).write(written);
    };
    const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true, deadlines: { ...deadlines, ...limits } }));
    expect(await listener.ended).toMatchObject({ end: FAILED, error: { errorType: 'timeout' } });
    await eventually(() => expect(upstream.hits[0]!.isAborted).toBe(true));
    expect(harness.results[0]!.result.outcome).toBe(events.AttemptOutcome.UPSTREAM_FAILED);
  });

  it('do not blame the provider while the client’s window is closed', async () => {
    upstream.script = (response) => {
      sse(response).end(openaiChunk({ content: 'a' }).repeat(20_000) + OPENAI_FINISH + OPENAI_USAGE + DONE);
    };
    const listener = new CollectingListener();
    const handle = harness.runner.start(
      chatStart(upstream.url, { stream: true, initialGrantBytes: 1n, deadlines: { ...deadlines, betweenChunksMs: 40n, totalMs: 1_000n } }),
      listener,
    );
    await eventually(() => expect(listener.receivedBytes).toBeGreaterThan(0));
    const end = await listener.ended;
    // The silence between chunks is the client's: only the total deadline ends it, and nobody's uptime falls.
    expect(end).toMatchObject({ end: FAILED, error: { errorType: 'timeout', metadataJson: JSON.stringify({ stage: 'total', limitMs: 1_000 }) } });
    expect(harness.results[0]!.result.outcome).toBe(events.AttemptOutcome.CANCELLED);
    handle.grant(1);
  });

  it('end a whole answer that does not come within the time the plan allows for all of it', async () => {
    upstream.script = () => undefined;
    const stalled = startReading(harness.runner, chatStart(upstream.url, { deadlines: { ...deadlines, firstTokenMs: 30n } }));
    expect(await stalled.ended).toMatchObject({ end: FAILED, error: { errorType: 'timeout' } });
    upstream.script = (response) => void setTimeout(() => json(response, 200, whole), 50);
    const slow = startReading(harness.runner, chatStart(upstream.url, { deadlines: { ...deadlines, betweenChunksMs: 20n } }));
    expect((await slow.ended).end).toBe(COMPLETED);
  });

  describe('of the silence between chunks', () => {
    const SILENCE_MS = 60;
    const limits = { connectMs: 5_000n, firstTokenMs: 5_000n, betweenChunksMs: 20n, totalMs: 20_000n };
    const stage = (name: string, limitMs: number) => JSON.stringify({ stage: name, limitMs });

    /** A silence, then the pieces with one behind each, and the rest. */
    function writeSlowly(response: ServerResponse, pieces: readonly string[], rest: string): void {
      const [piece, ...others] = pieces;
      setTimeout(() => {
        if (piece === undefined) return void response.end(rest);
        response.write(piece);
        writeSlowly(response, others, rest);
      }, SILENCE_MS);
    }

    it.each([
      ['headers', []],
      ['keep-alives', [': ping\n\n', ': ping\n\n']],
      ['a beginning without content', [openaiChunk({ role: 'assistant', content: '' })]],
    ])('do not count in a stream that has brought no more than %s', async (_what, pieces) => {
      upstream.script = (response) => {
        sse(response).flushHeaders();
        writeSlowly(response, pieces, openaiChunk({ content: 'Hello.' }) + OPENAI_FINISH + OPENAI_USAGE + DONE);
      };
      const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true, deadlines: limits }));
      expect(await listener.ended).toMatchObject({ end: COMPLETED, error: undefined });
      expect(listener.content).toBe('Hello.');
    });

    it('count in a stream from its first content on, whatever of the time for that was left', async () => {
      upstream.script = (response) => void sse(response).write(openaiChunk({ content: 'Hel' }));
      const listener = startReading(harness.runner, chatStart(upstream.url, { stream: true, deadlines: limits }));
      expect(await listener.ended).toMatchObject({ end: FAILED, error: { metadataJson: stage('between-chunks', 20) } });
    });

    it('do not count in a whole answer of which no more than headers and white space came', async () => {
      const spaces = ['\n', '  \r\n'];
      const text = JSON.stringify(whole);
      upstream.script = (response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(spaces.join('') + text) }).flushHeaders();
        writeSlowly(response, spaces, text);
      };
      const listener = startReading(harness.runner, chatStart(upstream.url, { deadlines: limits }));
      expect(await listener.ended).toMatchObject({ end: COMPLETED, error: undefined });
      expect(JSON.parse(listener.text)).toMatchObject({ choices: [{ message: { content: 'Hello.' } }] });
    });

    it.each([
      ['stops half-way', { betweenChunksMs: 20n }, stage('between-chunks', 20)],
      ['is not all there when the time for all of it is over', { firstTokenMs: 60n, betweenChunksMs: 5_000n }, stage('first-token', 60)],
    ])('count in a whole answer from its first byte on, beside the time for all of it: one that %s', async (_what, fields, metadataJson) => {
      upstream.script = (response) => void response.writeHead(200, { 'content-type': 'application/json' }).write(JSON.stringify(whole).slice(0, 40));
      const listener = startReading(harness.runner, chatStart(upstream.url, { deadlines: { ...limits, ...fields } }));
      expect(await listener.ended).toMatchObject({ end: FAILED, error: { metadataJson } });
    });
  });
});

describe('the runner', () => {
  it('refuses more attempts than it may run at once', async () => {
    const small = new RunnerHarness({ maxConcurrentAttempts: 1 });
    upstream.script = () => undefined;
    const first = startReading(small.runner, chatStart(upstream.url));
    const second = startReading(small.runner, chatStart(upstream.url));
    expect(await second.ended).toMatchObject({ end: FAILED, error: { errorType: 'gateway_unavailable', retryAfterMs: 1_000n } });
    first.handle.cancel('enough');
    await first.ended;
    upstream.script = (response) => json(response, 200, whole);
    expect((await startReading(small.runner, chatStart(upstream.url)).ended).end).toBe(COMPLETED);
    await small.close();
  });

  it('holds no more bytes of requests than it may at once, and takes more when others are over', async () => {
    upstream.script = () => undefined;
    const small = new RunnerHarness({ maxHeldBodyBytes: 10_000 });
    const start = () =>
      startReading(small.runner, chatStart(upstream.url, { body: Buffer.from(JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(6_000) }] })) }));
    const first = start();
    expect(await start().ended).toMatchObject({ end: FAILED, error: { errorType: 'gateway_unavailable', retryAfterMs: 1_000n } });
    first.handle.cancel('enough');
    await first.ended;
    const next = start();
    await eventually(() => expect(small.runner.runningCount).toBe(1));
    next.handle.cancel('enough');
    expect((await next.ended).end).toBe(CANCELLED);
    await small.close();
  });

  it('never calls the listener inside start, and refuses what it cannot read', async () => {
    const listener = startReading(harness.runner, chatStart(upstream.url, { body: Buffer.from('not json') }));
    expect(listener.events).toEqual([]);
    expect(await listener.ended).toMatchObject({ end: FAILED, error: { errorType: 'invalid_request' } });
    // Nothing was asked of the provider, so there is nothing to report.
    expect(harness.results).toEqual([]);
    expect((await startReading(harness.runner, chatStart('')).ended).error).toMatchObject({ errorType: 'provider_unavailable', providerCode: 'no_base_url' });
  });

  it('serves 200 stopped readers with bounded memory, and another one at the same time', async () => {
    const piece = openaiChunk({ content: 'w'.repeat(8_000) });
    upstream.script = (response, hit) => {
      let left = hit.body.includes('quick') ? 3 : 1_250;
      sse(response);
      const pump = () => {
        while (left-- > 0) if (!response.write(piece)) return void response.once('drain', pump);
        response.end(OPENAI_FINISH + OPENAI_USAGE + DONE);
      };
      pump();
    };
    const stopped = Array.from({ length: 200 }, () => {
      const listener = new CollectingListener();
      return {
        listener,
        handle: harness.runner.start(
          chatStart(upstream.url, {
            stream: true,
            initialGrantBytes: 32_768n,
            deadlines: { connectMs: 20_000n, firstTokenMs: 20_000n, betweenChunksMs: 20_000n, totalMs: 60_000n },
          }),
          listener,
        ),
      };
    });
    await eventually(() => expect(stopped.every(({ listener }) => listener.receivedBytes >= 32_768)).toBe(true), { timeoutMs: 20_000 });
    const received = stopped.map(({ listener }) => listener.receivedBytes);
    const quick = startReading(
      harness.runner,
      chatStart(upstream.url, { stream: true, body: Buffer.from(JSON.stringify({ messages: [{ role: 'user', content: 'quick' }], stream: true })) }),
    );
    expect((await quick.ended).end).toBe(COMPLETED);
    // 2 GB are on offer; nobody got more than a window and one read.
    expect(stopped.map(({ listener }) => listener.receivedBytes)).toEqual(received);
    expect(Math.max(...received)).toBeLessThan(32_768 + 150_000);
    for (const { handle } of stopped) handle.cancel('the client left');
    await Promise.all(stopped.map(({ listener }) => listener.ended));
  }, 60_000);
});
