import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  asArray,
  asNumber,
  asObject,
  completionTokenCount,
  isJsonObject,
  promptTokenCount,
  type JsonObject,
  type JsonValue,
  type Meters,
} from '@switchyard/core';
import { recordedAnswersFolder } from '@switchyard/testing';
import { collectStream } from './conformance/collect-answer.js';
import { createExchange } from './create-exchange.js';
import type { DialectManifest, ProviderDialectName } from './dialect-manifest.js';
import type { Exchange } from './exchange.js';
import { providerDialects } from './provider-registry.js';

/**
 * Recorded answers of real providers (vercel/ai's fixtures: `<provider>/*.json` whole bodies, `*.chunks.txt` one SSE
 * payload a line). They are not ours to ship: point SWITCHYARD_CORPORA at the folder that holds `vercel-ai/`.
 */
const root = recordedAnswersFolder();

const PROVIDERS: Readonly<Record<string, ProviderDialectName>> = {
  anthropic: 'anthropic-messages',
  google: 'gemini',
  openai: 'openai-chat',
  groq: 'openai-chat',
  mistral: 'openai-chat',
  deepseek: 'openai-chat',
  xai: 'openai-chat',
  'openai-compatible': 'openai-chat',
  perplexity: 'openai-chat',
  togetherai: 'openai-chat',
  moonshotai: 'openai-chat',
  cerebras: 'openai-chat',
  cohere: 'openai-chat',
};

/** Files that hold no chat answer of an implemented dialect. */
const EXCLUSIONS: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /^cohere\//, reason: 'Cohere v2 is a dialect of its own, not implemented yet' },
  { pattern: /\/responses__/, reason: 'OpenAI Responses is a dialect of its own, not implemented yet' },
  { pattern: /\/interactions__/, reason: "Google's Interactions API is a dialect of its own" },
  { pattern: /\/completion__/, reason: 'legacy completions are offered to clients, never asked of providers' },
  { pattern: /\/(skills|image|embedding|reranking)__/, reason: 'not chat' },
  { pattern: /transcription|speech-translation/, reason: 'not chat' },
];
/** Whole bodies that are error answers: they must find their place in the error table. */
const ERROR_BODIES: Readonly<Record<string, { status: number; errorType: string; retryAfterMs?: number }>> = {
  'google/google-429-retry-info.json': { status: 429, errorType: 'rate_limit_exceeded', retryAfterMs: 34_400 },
  'openai/chat__reasoning-model-legacy-parameter-error.json': { status: 400, errorType: 'invalid_request' },
};

/** Streams that broke when they were recorded: the failure that must be told. */
const BROKEN_STREAMS: Readonly<Record<string, string>> = { 'anthropic/spliced-message-start.chunks.txt': 'spliced_stream' };

const MANIFEST_OF: Readonly<Record<string, DialectManifest>> = Object.fromEntries(
  Object.entries(PROVIDERS).map(([provider, dialect]) => [provider, { dialect }]),
);
const IDENTITY = { generationId: 'gen-1790000000-abcdefghijklmnopqrst', model: 'author/slug', providerName: 'Recorded', created: 1_790_000_000 };

function reasonToExclude(file: string): string | undefined {
  return EXCLUSIONS.find(({ pattern }) => pattern.test(file))?.reason;
}

function filesOf(folder: string): string[] {
  return Object.keys(PROVIDERS)
    .flatMap((provider) => readdirSync(join(folder, provider)).map((name) => `${provider}/${name}`))
    .filter((file) => reasonToExclude(file) === undefined)
    .sort();
}

function exchangeFor(file: string, stream: boolean): Exchange {
  const body = Buffer.from(JSON.stringify({ model: 'author/slug', messages: [{ role: 'user', content: 'Hello' }], stream }));
  const endpoint = { providerModelId: 'recorded', supportedParameters: [], traits: {}, inputModalities: [] };
  return createExchange({ clientDialect: 'openai-chat', apiType: 'chat', body, stream, identity: IDENTITY, endpoint, manifest: manifestOf(file) });
}

function manifestOf(file: string): DialectManifest {
  return MANIFEST_OF[file.split('/')[0]!]!;
}

/** The provider's own totals of prompt and of everything, read straight from its usage object. */
function totalsOf(dialect: ProviderDialectName, usage: JsonObject): { prompt: number; all: number } {
  const number = (name: string, of: JsonObject = usage): number => asNumber(of[name]) ?? 0;
  if (dialect === 'gemini') return { prompt: number('promptTokenCount') + number('toolUsePromptTokenCount'), all: number('totalTokenCount') };
  if (dialect === 'openai-chat')
    return { prompt: number('prompt_tokens'), all: Math.max(number('total_tokens'), number('prompt_tokens') + number('completion_tokens')) };
  const runs = [usage, ...(asArray(usage['iterations']) ?? []).filter(isJsonObject).filter((run) => run['type'] === 'compaction')];
  const prompt = runs.reduce(
    (sum, run) => sum + number('input_tokens', run) + number('cache_read_input_tokens', run) + number('cache_creation_input_tokens', run),
    0,
  );
  return { prompt, all: prompt + runs.reduce((sum, run) => sum + number('output_tokens', run), 0) };
}

function expectTotals(meters: Meters | undefined, dialect: ProviderDialectName, usage: JsonObject): void {
  const totals = totalsOf(dialect, usage);
  expect(meters).toBeDefined();
  expect({ prompt: promptTokenCount(meters!), all: promptTokenCount(meters!) + completionTokenCount(meters!) }).toEqual(totals);
}

/** What the strict official client demands of a chunk and of a whole answer. */
function expectStrictAnswer(answer: JsonObject, object: string): void {
  expect(answer).toMatchObject({ id: IDENTITY.generationId, model: IDENTITY.model, provider: IDENTITY.providerName, object, created: IDENTITY.created });
  expect(answer).not.toHaveProperty('usage');
  if (object === 'chat.completion') expect(answer).toHaveProperty('system_fingerprint');
  else expect(answer['system_fingerprint'] === undefined || typeof answer['system_fingerprint'] === 'string').toBe(true);
  for (const choice of (asArray(answer['choices']) ?? []).filter(isJsonObject)) {
    expect(choice).toHaveProperty('finish_reason');
    const message = asObject(choice['delta'] ?? choice['message']);
    expect(message).toBeDefined();
    for (const key of ['tool_calls', 'reasoning_details', 'images', 'role']) expect(message![key]).not.toBeNull();
    expect(message).not.toHaveProperty('reasoning_content');
    for (const call of (asArray(message!['tool_calls']) ?? []).filter(isJsonObject))
      expect(typeof asObject(call['function'])?.['arguments'] === 'string' || object !== 'chat.completion').toBe(true);
  }
}

/** The payloads of a recording, one list per answer: some hold all turns of a conversation. */
function answersIn(file: string, text: string): JsonObject[][] {
  const lines = text.split('\n').map((line) => (file.endsWith('.sse') ? line.replace(/^data: /, '') : line));
  const payloads = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as JsonObject);
  const answers: JsonObject[][] = [[]];
  let id: JsonValue | undefined;
  let isOver = false;
  for (const payload of payloads) {
    const isOther = manifestOf(file).dialect === 'openai-chat' && id !== undefined && payload['id'] !== id;
    if (isOther || (isOver && payload['type'] === 'message_start')) answers.push([]);
    answers.at(-1)!.push(payload);
    id = payload['id'] === '' ? undefined : payload['id'];
    isOver = payload['type'] === 'message_stop';
  }
  return answers;
}

function sse(payloads: readonly JsonObject[]): Uint8Array {
  return Buffer.from(payloads.map((payload) => `data: ${JSON.stringify(payload)}\n\n`).join(''));
}

const saysWhyItStopped = (payload: JsonObject): boolean => /"(finish_reason|stop_reason|finishReason)":"/.test(JSON.stringify(payload));

function lastUsage(dialect: ProviderDialectName, payloads: readonly JsonObject[]): JsonObject | undefined {
  if (dialect === 'anthropic-messages') {
    const parts = payloads
      .map((payload) => asObject(payload['usage']) ?? asObject(asObject(payload['message'])?.['usage']))
      .filter((usage) => usage !== undefined);
    return parts.length === 0 ? undefined : (Object.assign({}, ...parts) as JsonObject);
  }
  const name = dialect === 'gemini' ? 'usageMetadata' : 'usage';
  return payloads.map((payload) => asObject(payload[name])).findLast((usage) => usage !== undefined && Object.keys(usage).length > 1);
}

if (root === undefined) {
  describe('recorded answers', () => {
    it('are not here: set SWITCHYARD_CORPORA to the folder that holds vercel-ai/ to check them; what would be left out has its reason', () => {
      for (const { reason } of EXCLUSIONS) expect(reason.length).toBeGreaterThan(5);
      expect(reasonToExclude('openai/chat__openai-text.json')).toBeUndefined();
    });
  });
} else {
  const folder = join(root, 'vercel-ai');
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const files = filesOf(folder);
  const errors = files.filter((file) => ERROR_BODIES[file] !== undefined);
  const wholes = files.filter((file) => file.endsWith('.json') && ERROR_BODIES[file] === undefined);
  const streams = files.filter((file) => !file.endsWith('.json'));

  describe('recorded whole answers', () => {
    it.each(wholes)('%s parses and adds up', (file) => {
      const manifest = manifestOf(file);
      const body = JSON.parse(read(file)) as JsonValue;
      const response = providerDialects[manifest.dialect].parseResponse(structuredClone(body), manifest);
      expect(response.error).toBeUndefined();
      expect(response.finishReason).not.toBeNull();
      const usage = asObject(asObject(body)?.[manifest.dialect === 'gemini' ? 'usageMetadata' : 'usage']);
      if (usage) expectTotals(response.meters, manifest.dialect, usage);
      const answer = exchangeFor(file, false).readWhole(Buffer.from(JSON.stringify(body)));
      const text = Buffer.from(answer.bytes).toString();
      expect(text.endsWith('}')).toBe(true);
      expectStrictAnswer(JSON.parse(text) as JsonObject, 'chat.completion');
      expect(answer.meters).toEqual(response.meters);
    });
  });

  describe('recorded error answers', () => {
    it.each(errors)('%s has its place in the error table', (file) => {
      const { status, ...expected } = ERROR_BODIES[file]!;
      expect(exchangeFor(file, false).readError(status, {}, Buffer.from(read(file)), 0)).toMatchObject(expected);
    });
  });

  describe('recorded streams', () => {
    it.each(streams)('%s parses the same in pieces of any size, adds up, and is not finished when cut', (file) => {
      const manifest = manifestOf(file);
      const parse = (of: Uint8Array, size: number) => collectStream(providerDialects[manifest.dialect].createStreamParser(manifest), of, size);
      for (const payloads of answersIn(file, read(file))) {
        const bytes = sse(payloads);
        const answer = parse(bytes, bytes.length);
        expect(answer.error?.providerCode).toBe(BROKEN_STREAMS[file]);
        expect(parse(bytes, 7)).toEqual(answer);
        expect(parse(sse(payloads.slice(0, payloads.findIndex(saysWhyItStopped))), 64).outcome).toBe('truncated');
        if (BROKEN_STREAMS[file] !== undefined) continue;
        expect(answer.outcome).toBe('finished');
        for (const call of answer.toolCalls) expect(() => JSON.parse(call.arguments) as JsonValue).not.toThrow();
        const usage = lastUsage(manifest.dialect, payloads);
        if (usage) expectTotals(answer.meters, manifest.dialect, usage);
      }
    });

    it.each(streams)('%s reaches the client as strict chunks', (file) => {
      for (const payloads of answersIn(file, read(file))) {
        const stream = exchangeFor(file, true).openStream();
        const progress = stream.push(sse(payloads));
        for (const match of progress.bytes.matchAll(/^data: (.*)$/gm)) expectStrictAnswer(JSON.parse(match[1]!) as JsonObject, 'chat.completion.chunk');
        expect(progress.hasContent).toBe(progress.outputBytes > 0);
        expect(progress.error?.providerCode).toBe(BROKEN_STREAMS[file]);
      }
    });
  });
}
