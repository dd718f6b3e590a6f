import { asObject, asObjects, type JsonObject } from '@switchyard/core';
import { createExchange, type Exchange, type ExchangeInput, type ProviderStatement } from '@switchyard/dialects/provider';
import type { ProviderManifest } from './provider-manifest.js';

export interface ProbedRequest {
  readonly path: string;
  readonly body: JsonObject;
  readonly warnings: readonly string[];
}

export interface ProbeOptions {
  readonly stream?: boolean;
  readonly maxOutputTokens?: number;
  readonly apiType?: ExchangeInput['apiType'];
  readonly traits?: Readonly<Record<string, string>>;
}

/** One exchange of an OpenAI-speaking client with a provider, through the real dialects. */
export function probe(manifest: ProviderManifest, body: object = {}, options: ProbeOptions = {}): Exchange {
  return createExchange({
    clientDialect: 'openai-chat',
    apiType: options.apiType ?? 'chat',
    body: Buffer.from(JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], ...body })),
    stream: options.stream ?? false,
    maxOutputTokens: options.maxOutputTokens,
    identity: { generationId: 'gen-1763700000-00000000000000000000', model: 'maker/model', providerName: manifest.name, created: 1_763_700_000 },
    endpoint: { providerModelId: 'native-model', supportedParameters: [], traits: options.traits ?? {}, inputModalities: ['text', 'image'] },
    manifest,
  });
}

/** What the provider gets for a client's body. */
export function requestTo(manifest: ProviderManifest, body: object = {}, options: ProbeOptions = {}): ProbedRequest {
  const request = probe(manifest, body, options).buildRequest();
  return { path: request.path, body: JSON.parse(request.body) as JsonObject, warnings: request.warnings };
}

/** Which of these parameters reach the provider, under their own names. */
export function acceptedOf(manifest: ProviderManifest, parameters: Readonly<Record<string, unknown>>): string[] {
  const { body } = requestTo(manifest, parameters);
  return Object.keys(parameters).filter((name) => name in body);
}

/** What a provider's whole answer becomes. */
export function answerOf(manifest: ProviderManifest, answer: object): { message: JsonObject; meters: Readonly<Record<string, number>> | undefined } {
  const { bytes, meters } = probe(manifest).readWhole(Buffer.from(JSON.stringify(answer)));
  const parsed = JSON.parse(Buffer.from(bytes).toString()) as JsonObject;
  return { message: asObject(asObjects(parsed['choices'])[0]?.['message']) ?? {}, meters };
}

/** What became of a provider's stream: the deltas that the client saw, and the usage. */
export function streamOf(
  manifest: ProviderManifest,
  chunks: readonly object[],
): { deltas: JsonObject[]; meters: Readonly<Record<string, number>> | undefined; outcome: string } {
  const stream = probe(manifest, {}, { stream: true }).openStream();
  const pushed = stream.push(Buffer.from(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('') + 'data: [DONE]\n\n'));
  const end = stream.finish();
  const events = `${pushed.bytes}${end.bytes}`.split('\n\n').filter((event) => event.startsWith('data: '));
  const deltas = events.flatMap((event) => asObjects((JSON.parse(event.slice(6)) as JsonObject)['choices'])).map((choice) => asObject(choice['delta']) ?? {});
  return { deltas, meters: end.meters ?? pushed.meters, outcome: end.outcome };
}

/** What a provider says of its own answer: whole, in a stream of the client's dialect, and in one that is translated. */
export function statementsOf(manifest: ProviderManifest, answer: object, chunks: readonly object[]): ProviderStatement[] {
  const bytes = Buffer.from(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('') + 'data: [DONE]\n\n');
  const forms = [probe(manifest), probe(manifest, { prompt: 'Hi' }, { apiType: 'completions' })];
  return forms.flatMap((exchange) => {
    const stream = exchange.openStream();
    stream.push(bytes);
    return [exchange.readWhole(Buffer.from(JSON.stringify(answer))).statement, stream.statement];
  });
}

/** Every parameter of a modern request, each with a value that a provider could take. */
export const EVERY_PARAMETER = {
  temperature: 0.5,
  top_p: 0.9,
  top_k: 40,
  top_a: 0.1,
  min_p: 0.05,
  frequency_penalty: 0.1,
  presence_penalty: 0.1,
  repetition_penalty: 1.1,
  seed: 7,
  stop: ['END'],
  logit_bias: { '50256': -100 },
  logprobs: true,
  top_logprobs: 2,
  user: 'someone',
  verbosity: 'low',
  prediction: { type: 'content', content: 'x' },
  parallel_tool_calls: false,
  tool_choice: 'auto',
  tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }],
} as const;
