import {
  asArray,
  asBoolean,
  asObject,
  asObjects,
  asString,
  isJsonObject,
  type CanonicalChatRequest,
  type CanonicalEmbeddingRequest,
  type JsonObject,
  type JsonValue,
} from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { ClientDialect } from './client-dialect.js';
import { clientDialects } from './client-registry.js';
import { parseExactly } from './exact-json.js';
import type { CreateExchange, Exchange, ExchangeAnswer, ExchangeInput, ExchangeStream } from './exchange.js';
import { editAroundMessages, editRequest } from './openai-chat/provider/edit-request.js';
import { splitMessages, type BodyAroundMessages } from './openai-chat/provider/message-bytes.js';
import { chatRequest, deviationsOf } from './openai-chat/provider/openai-chat-provider.js';
import { editWholeAnswer, SameDialectStream } from './openai-chat/same-dialect.js';
import type { BuildOptions, FetchedMedia, ProviderDialect, UpstreamFailure, UpstreamRequest } from './provider-dialect.js';
import { providerDialects } from './provider-registry.js';
import { countOutput, hiddenReasoning, TranslatedStream } from './translated-stream.js';
import type { ResponseHeaders } from './upstream-error.js';

/** @throws SwitchyardError `invalid_request` when the client's body cannot be read, `not_implemented` for what the provider's dialect lacks. */
export const createExchange: CreateExchange = (input) => {
  const client = clientDialects[input.clientDialect];
  const provider = providerDialects[input.manifest.dialect];
  if (input.apiType === 'chat' && input.clientDialect === 'openai-chat' && input.manifest.dialect === 'openai-chat')
    return new SameDialectExchange(input, client, provider);
  const body = parseClientBody(input.body);
  if (input.apiType === 'embeddings') return new EmbeddingExchange(input, client, provider, client.parseEmbeddingRequest(body));
  const request = input.apiType === 'chat' ? client.parseChatRequest(body) : client.parseCompletionRequest(body);
  return new TranslatedExchange(input, client, provider, request, notInCanonicalForm(body));
};

abstract class BaseExchange implements Exchange {
  constructor(
    protected readonly input: ExchangeInput,
    protected readonly client: ClientDialect,
    protected readonly provider: ProviderDialect,
  ) {}

  abstract readonly mediaUrls: readonly string[];
  abstract buildRequest(media?: ReadonlyMap<string, FetchedMedia>): UpstreamRequest;
  abstract openStream(): ExchangeStream;
  protected abstract readValue(value: JsonValue): ExchangeAnswer;

  readWhole(body: Uint8Array): ExchangeAnswer {
    return this.readValue(parseProviderBody(body, (text) => JSON.parse(text) as JsonValue));
  }

  readError(status: number, headers: ResponseHeaders, body: Uint8Array, nowMs: number): UpstreamFailure {
    return this.provider.parseError(status, headers, textOf(body), this.input.manifest, nowMs);
  }

  protected options(media: ReadonlyMap<string, FetchedMedia> | undefined): BuildOptions {
    return { stream: this.input.stream, maxOutputTokens: this.input.maxOutputTokens, media };
  }
}

class SameDialectExchange extends BaseExchange {
  readonly mediaUrls: readonly string[];
  private readonly excludeReasoning: boolean;
  /** Of a long body: its messages are read only where they have to be. */
  private readonly split: BodyAroundMessages | undefined;
  private parsedBody: JsonObject | undefined;

  constructor(input: ExchangeInput, client: ClientDialect, provider: ProviderDialect) {
    super(input, client, provider);
    this.split = splitMessages(input.body);
    const fields = this.split?.body ?? this.body;
    this.excludeReasoning = asBoolean(asObject(fields['reasoning'])?.['exclude']) === true || fields['include_reasoning'] === false;
    // The body is parsed into canonical form only where its pictures must be found.
    const mayHavePictures = input.manifest.openaiChat?.imageSource === 'base64' && this.hasParts(fields) && bufferOf(input.body).includes('image_url');
    this.mediaUrls = mayHavePictures ? provider.mediaUrlsToFetch(client.parseChatRequest(this.body), input.manifest) : [];
  }

  buildRequest(media?: ReadonlyMap<string, FetchedMedia>): UpstreamRequest {
    const { endpoint, manifest } = this.input;
    const options = this.options(media);
    const deviations = deviationsOf(manifest);
    const edited = this.split && editAroundMessages(this.split, endpoint, deviations, options);
    return chatRequest(edited ?? editRequest(this.body, endpoint, deviations, options), options);
  }

  /** Some message is more than a text. */
  private hasParts(fields: JsonObject): boolean {
    if (this.split) return this.split.messages.partFields.size > 0 || this.split.messages.fields.has('images');
    const messages = asArray(fields['messages']) ?? [];
    return messages.some((message) => isJsonObject(message) && (isContainer(message['content']) || message['images'] !== undefined));
  }

  private get body(): JsonObject {
    this.parsedBody ??= parseClientBody(this.input.body);
    return this.parsedBody;
  }

  openStream(): ExchangeStream {
    return new SameDialectStream(this.input.identity, this.input.manifest, this.excludeReasoning);
  }

  protected readValue(value: JsonValue): ExchangeAnswer {
    return editWholeAnswer(value, this.input.identity, this.input.manifest, this.excludeReasoning);
  }
}

class TranslatedExchange extends BaseExchange {
  readonly mediaUrls: readonly string[];
  private readonly excludeReasoning: boolean;
  /** Until the provider's request is built from it: an answer may take minutes. */
  private request: CanonicalChatRequest | undefined;

  constructor(
    input: ExchangeInput,
    client: ClientDialect,
    provider: ProviderDialect,
    request: CanonicalChatRequest,
    private readonly warnings: readonly string[],
  ) {
    super(input, client, provider);
    this.mediaUrls = provider.mediaUrlsToFetch(request, input.manifest);
    this.excludeReasoning = request.reasoning?.exclude === true;
    this.request = request;
  }

  buildRequest(media?: ReadonlyMap<string, FetchedMedia>): UpstreamRequest {
    const { request } = this;
    if (!request) throw new Error('The request of an exchange is built once');
    this.request = undefined;
    const upstream = this.provider.buildRequest(request, this.input.endpoint, this.input.manifest, this.options(media));
    return { ...upstream, warnings: [...this.warnings, ...upstream.warnings] };
  }

  openStream(): ExchangeStream {
    const renderer = this.client.createStreamRenderer(this.input.identity, this.input.apiType === 'completions' ? 'completions' : 'chat');
    return new TranslatedStream(this.provider.createStreamParser(this.input.manifest), renderer, this.excludeReasoning);
  }

  /** Arguments of tools are values here, not texts. */
  override readWhole(body: Uint8Array): ExchangeAnswer {
    return this.readValue(parseProviderBody(body, parseExactly));
  }

  protected readValue(value: JsonValue): ExchangeAnswer {
    const response = this.provider.parseResponse(value, this.input.manifest);
    const parts = this.excludeReasoning ? response.parts.flatMap((part) => (part.kind === 'reasoning' ? (hiddenReasoning(part) ?? []) : part)) : response.parts;
    const shown = { ...response, parts };
    const text =
      this.input.apiType === 'completions'
        ? this.client.renderCompletionResponse(shown, this.input.identity)
        : this.client.renderChatResponse(shown, this.input.identity);
    const { finishReason, nativeFinishReason, meters, upstreamId, serviceTier, error } = response;
    const statement = { model: response.upstreamModel, costUsd: response.costUsd };
    return { bytes: Buffer.from(text), finishReason, nativeFinishReason, meters, upstreamId, serviceTier, error, statement, ...countOutput(response) };
  }
}

class EmbeddingExchange extends BaseExchange {
  readonly mediaUrls: readonly string[] = [];

  constructor(
    input: ExchangeInput,
    client: ClientDialect,
    provider: ProviderDialect,
    private readonly request: CanonicalEmbeddingRequest,
  ) {
    super(input, client, provider);
  }

  buildRequest(): UpstreamRequest {
    return this.embeddings.buildRequest(this.request, this.input.endpoint, this.input.manifest);
  }

  openStream(): ExchangeStream {
    throw new SwitchyardError('invalid_request', 'Embeddings are not streamed.');
  }

  protected readValue(value: JsonValue): ExchangeAnswer {
    const response = this.embeddings.parseResponse(value, this.input.manifest);
    if (response.vectors.length !== this.request.inputs.length) {
      throw new SwitchyardError(
        'provider_unavailable',
        `The provider returned ${response.vectors.length} embeddings for ${this.request.inputs.length} inputs.`,
        { providerCode: 'malformed_body' },
      );
    }
    const text = this.client.renderEmbeddingResponse(response, this.input.identity, this.request.encodingFormat);
    const statement = { model: response.upstreamModel, costUsd: response.costUsd };
    return { bytes: Buffer.from(text), finishReason: null, nativeFinishReason: null, meters: response.meters, outputBytes: 0, reasoningBytes: 0, statement };
  }

  private get embeddings(): NonNullable<ProviderDialect['embeddings']> {
    if (!this.provider.embeddings) throw new SwitchyardError('not_implemented', `Embeddings are not offered by the ${this.provider.name} API.`);
    return this.provider.embeddings;
  }
}

function isContainer(value: JsonValue | undefined): boolean {
  return typeof value === 'object' && value !== null;
}

/** What a client may ask for and no translation carries. */
function notInCanonicalForm(body: JsonObject): string[] {
  const types = asObjects(body['tools']).map((tool) => asString(tool['type']));
  return types.filter((type) => type !== undefined && type !== 'function').map((type) => `tools: ${type} is not offered by this endpoint; it was dropped.`);
}

function parseClientBody(body: Uint8Array): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(textOf(body)) as JsonValue;
  } catch {
    throw new SwitchyardError('invalid_request', 'The request body is not JSON.');
  }
  if (!isJsonObject(value)) throw new SwitchyardError('invalid_request', 'The request body must be a JSON object.');
  return value;
}

function parseProviderBody(body: Uint8Array, parse: (text: string) => JsonValue): JsonValue {
  try {
    return parse(textOf(body));
  } catch {
    throw new SwitchyardError('provider_unavailable', 'The provider answered with success, but the body is not JSON.', { providerCode: 'malformed_body' });
  }
}

function textOf(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('utf8');
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
