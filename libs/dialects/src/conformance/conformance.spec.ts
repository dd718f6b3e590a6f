import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { completionTokenCount, promptTokenCount, type JsonObject, type JsonValue, type Meters } from '@switchyard/core';
import { errorRow, type ErrorType } from '@switchyard/errors';
import { createExchange } from '../create-exchange.js';
import { PROVIDER_DIALECTS, type ProviderDialectName } from '../dialect-manifest.js';
import type { Exchange, StreamProgress } from '../exchange.js';
import { providerDialects } from '../provider-registry.js';
import { collectParts, collectStream } from './collect-answer.js';

/** Every provider dialect has these in `<dialect>/fixtures/`; a dialect without one of them is not done. */
const DEMANDED = [
  'text.json',
  'text-stream.sse',
  'tools.json',
  'tools-stream.sse',
  'reasoning.json',
  'reasoning-stream.sse',
  'json-schema.json',
  'cut-stream.sse',
  'mid-stream-error.sse',
  'error-401.json',
  'error-429.json',
  'error-500.json',
  'error-context.json',
  'expected.json',
];

interface Expected {
  readonly text: string;
  readonly reasoning: string;
  readonly proofs: readonly string[];
  readonly toolCalls: readonly { readonly name: string; readonly arguments: JsonValue }[];
  readonly json: JsonValue;
  readonly tokens: Readonly<Record<string, { readonly prompt: number; readonly total: number }>>;
  readonly meters: Readonly<Record<string, Meters>>;
}

const ERRORS: Readonly<Record<string, ErrorType>> = {
  'error-401.json': 'provider_unavailable',
  'error-429.json': 'rate_limit_exceeded',
  'error-500.json': 'provider_unavailable',
  'error-context.json': 'context_length_exceeded',
};

const IDENTITY = { generationId: 'gen-1790000000-abcdefghijklmnopqrst', model: 'author/slug', providerName: 'Somewhere', created: 1_790_000_000 };

function fixture(dialect: ProviderDialectName, name: string): string {
  return readFileSync(new URL(`../${dialect}/fixtures/${name}`, import.meta.url), 'utf8');
}

function exchange(dialect: ProviderDialectName, stream: boolean): Exchange {
  const body = Buffer.from(JSON.stringify({ model: 'author/slug', messages: [{ role: 'user', content: 'When does it leave?' }], stream }));
  const endpoint = { providerModelId: 'model-x', supportedParameters: [], traits: {}, inputModalities: [] };
  return createExchange({ clientDialect: 'openai-chat', apiType: 'chat', body, stream, identity: IDENTITY, endpoint, manifest: { dialect } });
}

interface ClientView {
  text: string;
  reasoning: string;
  details: JsonObject[];
  toolCalls: { id: string; name: string; arguments: string }[];
  finishReason: unknown;
}

/** What a client of OpenAI's SDK puts together from the chunks. */
function clientView(events: string): ClientView {
  const view: ClientView = { text: '', reasoning: '', details: [], toolCalls: [], finishReason: null };
  for (const match of events.matchAll(/^data: (.*)$/gm)) {
    const chunk = JSON.parse(match[1]!) as { id: string; model: string; choices: { delta: JsonObject; finish_reason: string | null }[] };
    expect(chunk).toMatchObject({
      id: IDENTITY.generationId,
      model: IDENTITY.model,
      provider: IDENTITY.providerName,
      created: IDENTITY.created,
      object: 'chat.completion.chunk',
    });
    for (const { delta, finish_reason: finishReason } of chunk.choices) {
      view.finishReason = finishReason ?? view.finishReason;
      view.text += typeof delta['content'] === 'string' ? delta['content'] : '';
      view.reasoning += typeof delta['reasoning'] === 'string' ? delta['reasoning'] : '';
      view.details.push(...((delta['reasoning_details'] ?? []) as JsonObject[]));
      for (const call of (delta['tool_calls'] ?? []) as unknown as { index: number; id?: string; function: { name?: string; arguments?: string } }[]) {
        view.toolCalls[call.index] ??= { id: call.id ?? '', name: call.function.name ?? '', arguments: '' };
        view.toolCalls[call.index]!.arguments += call.function.arguments ?? '';
      }
    }
  }
  return view;
}

function streamThrough(dialect: ProviderDialectName, name: string, pieceBytes: number): { events: string; last: StreamProgress; outcome: string } {
  const stream = exchange(dialect, true).openStream();
  const bytes = Buffer.from(fixture(dialect, name));
  let events = '';
  for (let from = 0; from < bytes.length; from += pieceBytes) events += stream.push(bytes.subarray(from, from + pieceBytes)).bytes;
  const last = stream.finish();
  return { events: events + last.bytes, last, outcome: last.outcome };
}

describe.each(PROVIDER_DIALECTS)('%s', (dialect) => {
  const provider = providerDialects[dialect];
  const manifest = { dialect };
  const expected = JSON.parse(fixture(dialect, 'expected.json')) as Expected;
  const whole = (name: string) => provider.parseResponse(JSON.parse(fixture(dialect, name)) as JsonValue, manifest);
  const stream = (name: string, pieceBytes = 11) => collectStream(provider.createStreamParser(manifest), Buffer.from(fixture(dialect, name)), pieceBytes);

  it('has every demanded fixture', () => {
    expect(readdirSync(new URL(`../${dialect}/fixtures/`, import.meta.url))).toEqual(expect.arrayContaining(DEMANDED));
  });

  it('reads text, whole and streamed alike', () => {
    const answer = whole('text.json');
    expect(collectParts(answer.parts)).toMatchObject({ text: expected.text, toolCalls: [] });
    expect(answer.error).toBeUndefined();
    expect(answer.finishReason).toBe('stop');
    expect(stream('text-stream.sse')).toMatchObject({
      text: expected.text,
      finishReason: 'stop',
      outcome: 'finished',
      upstreamId: answer.upstreamId,
      nativeFinishReason: answer.nativeFinishReason,
    });
  });

  it('reads parallel tool calls, whole and streamed alike', () => {
    for (const { toolCalls, finishReason } of [{ ...whole('tools.json'), ...collectParts(whole('tools.json').parts) }, stream('tools-stream.sse')]) {
      expect(toolCalls.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) as JsonValue }))).toEqual(expected.toolCalls);
      expect(new Set(toolCalls.map((call) => call.id)).size).toBe(expected.toolCalls.length);
      expect(finishReason).toBe('tool_calls');
    }
    expect(stream('tools-stream.sse').toolCalls.map(({ id }) => id)).toEqual(collectParts(whole('tools.json').parts).toolCalls.map(({ id }) => id));
  });

  it('reads reasoning and its proofs, whole and streamed alike', () => {
    const answer = collectParts(whole('reasoning.json').parts);
    expect(answer).toMatchObject({ text: expected.text, reasoning: expected.reasoning, proofs: expected.proofs });
    expect(stream('reasoning-stream.sse')).toMatchObject({ text: expected.text, reasoning: expected.reasoning, proofs: expected.proofs });
  });

  it('reads an answer that follows a schema', () => {
    expect(JSON.parse(collectParts(whole('json-schema.json').parts).text)).toEqual(expected.json);
  });

  it.each(['text', 'tools', 'reasoning', 'json-schema'])('counts %s in disjoint meters that add up to the provider’s totals', (name) => {
    const metersOf = [whole(`${name}.json`).meters, ...(name === 'json-schema' ? [] : [stream(`${name}-stream.sse`).meters])];
    for (const meters of metersOf) {
      expect(meters).toBeDefined();
      expect({ prompt: promptTokenCount(meters!), total: promptTokenCount(meters!) + completionTokenCount(meters!) }).toEqual(expected.tokens[name]);
      if (expected.meters[name]) expect(meters).toEqual(expected.meters[name]);
    }
  });

  it('gives the same chunks however the bytes are split', () => {
    for (const name of DEMANDED.filter((file) => file.endsWith('.sse'))) {
      const answers = [1, 2, 13, 1_000_000].map((pieceBytes) => stream(name, pieceBytes));
      for (const answer of answers) expect(answer).toEqual(answers[0]);
    }
  });

  it('tells a cut stream from a finished one at every cut before the stop reason', () => {
    expect(stream('cut-stream.sse').outcome).toBe('truncated');
    const text = fixture(dialect, 'text-stream.sse');
    const stopAt = text.search(/"(finish_reason|stop_reason|finishReason)":"/);
    const bytes = Buffer.from(text.slice(0, stopAt));
    for (let cut = 0; cut < bytes.length; cut += 17)
      expect(collectStream(provider.createStreamParser(manifest), bytes.subarray(0, cut), 64).outcome).toBe('truncated');
  });

  it('reports an error in mid-stream after what came before it', () => {
    const answer = stream('mid-stream-error.sse');
    expect(answer.text).not.toBe('');
    expect(answer.error).toBeDefined();
    expect(errorRow(answer.error!.errorType)).toMatchObject({ mayFallBack: true, blame: 'upstream' });
    const { events, last } = streamThrough(dialect, 'mid-stream-error.sse', 9);
    expect(last.error).toEqual(answer.error);
    expect(events).not.toContain('error');
  });

  it('knows the last count of tokens from an earlier one, however the bytes are split', () => {
    for (const size of [7, 100_000])
      expect(streamThrough(dialect, 'text-stream.sse', size).last).toMatchObject({ isUsageFinal: true, meters: expect.any(Object) });
    expect(streamThrough(dialect, 'mid-stream-error.sse', 100_000).last.isUsageFinal).toBe(false);
  });

  it('keeps what came before an event that cannot be read, however the bytes are split', () => {
    const before = fixture(dialect, 'mid-stream-error.sse')
      .split(/(?<=\n\r?\n)/)
      .slice(0, -1)
      .join('');
    const whole = exchange(dialect, true)
      .openStream()
      .push(Buffer.from(`${before}data: <html>\n\n`));
    expect(whole).toMatchObject({ hasContent: true, done: false, error: { errorType: 'provider_unavailable', isUnreadable: true } });
    const inParts = exchange(dialect, true).openStream();
    inParts.push(Buffer.from(before));
    expect(inParts.push(Buffer.from('data: <html>\n\n'))).toMatchObject({ bytes: '', outputBytes: whole.outputBytes, error: whole.error });
  });

  it.each(Object.entries(ERRORS))('places %s in the error table', (name, errorType) => {
    const { status, headers, body } = JSON.parse(fixture(dialect, name)) as { status: number; headers: Record<string, string>; body: JsonValue };
    const failure = provider.parseError(status, headers, JSON.stringify(body), manifest, 0);
    expect(failure).toMatchObject({ errorType, upstreamStatus: status });
    expect(errorRow(failure.errorType).mayFallBack).toBe(true);
    expect(failure.retryAfterMs).toBe(name === 'error-429.json' ? 7000 : undefined);
    if (name === 'error-401.json') expect(failure.message).not.toMatch(/key/i);
  });

  it('places an error page that is no JSON by its status', () => {
    const failure = provider.parseError(502, {}, '<html><body>Bad gateway</body></html>', manifest, 0);
    expect(failure).toMatchObject({ errorType: 'provider_unavailable', upstreamStatus: 502 });
    expect(failure.message).not.toContain('<html>');
  });

  it('refuses a body of success that is not its own', () => {
    for (const body of ['{}', '[]', '"text"', '<html>'])
      expect(() => exchange(dialect, false).readWhole(Buffer.from(body))).toThrow(expect.objectContaining({ type: 'provider_unavailable' }));
    const unreadable = exchange(dialect, true).openStream().push(Buffer.from('data: <html>\n\n'));
    expect(unreadable.error).toMatchObject({ errorType: 'provider_unavailable', isUnreadable: true });
  });

  it('reaches an OpenAI client with the same content, whole and streamed', () => {
    for (const name of ['text', 'tools', 'reasoning']) {
      const answer = exchange(dialect, false).readWhole(Buffer.from(fixture(dialect, `${name}.json`)));
      const body = JSON.parse(Buffer.from(answer.bytes).toString()) as {
        choices: { message: JsonObject; finish_reason: string; native_finish_reason: string }[];
      };
      expect(body).toMatchObject({
        id: IDENTITY.generationId,
        object: 'chat.completion',
        model: IDENTITY.model,
        provider: IDENTITY.providerName,
        created: IDENTITY.created,
      });
      expect(body).toHaveProperty('system_fingerprint');
      expect(body).not.toHaveProperty('usage');
      const { message, finish_reason: finishReason, native_finish_reason: native } = body.choices[0]!;
      const { events, last, outcome } = streamThrough(dialect, `${name}-stream.sse`, 10);
      const view = clientView(events);
      expect(outcome).toBe('finished');
      expect({ text: view.text, reasoning: view.reasoning, finishReason: view.finishReason }).toEqual({
        text: message['content'] ?? '',
        reasoning: message['reasoning'] ?? '',
        finishReason,
      });
      expect(view.toolCalls.map((call) => call.arguments)).toEqual(
        ((message['tool_calls'] ?? []) as unknown as { function: { arguments: string } }[]).map((call) => call.function.arguments),
      );
      expect(last).toMatchObject({
        finishReason,
        nativeFinishReason: native,
        meters: answer.meters,
        outputBytes: answer.outputBytes,
        upstreamId: answer.upstreamId,
      });
      expect(events).not.toMatch(/"usage"|"system_fingerprint":null|"tool_calls":null/);
    }
  });

  it('keeps the stream valid when the client hides reasoning, which is still counted', () => {
    const body = Buffer.from(JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], reasoning: { effort: 'low', exclude: true }, stream: true }));
    const endpoint = { providerModelId: 'model-x', supportedParameters: [], traits: {}, inputModalities: [] };
    const hidden = createExchange({ clientDialect: 'openai-chat', apiType: 'chat', body, stream: true, identity: IDENTITY, endpoint, manifest }).openStream();
    const progress = hidden.push(Buffer.from(fixture(dialect, 'reasoning-stream.sse')));
    expect(clientView(progress.bytes)).toMatchObject({ text: expected.text, reasoning: '' });
    expect(progress.bytes).not.toContain('question is about');
    expect(progress.reasoningBytes).toBe(Buffer.byteLength(expected.reasoning));
  });

  it('reads embeddings in the order of the inputs', () => {
    if (!provider.embeddings) {
      expect(readdirSync(new URL(`../${dialect}/fixtures/`, import.meta.url))).not.toContain('embeddings.json');
      return;
    }
    expect(provider.embeddings.parseResponse(JSON.parse(fixture(dialect, 'embeddings.json')) as JsonValue, manifest).vectors).toEqual([
      [0.5, -0.25],
      [0.125, 1],
    ]);
  });
});
