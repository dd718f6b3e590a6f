import type {
  ApiType,
  CanonicalChatChunk,
  CanonicalChatRequest,
  CanonicalChatResponse,
  CanonicalEmbeddingRequest,
  CanonicalEmbeddingResponse,
  JsonObject,
  Meters,
  ShownChoice,
} from '@switchyard/core';
import type { ClientDialectName } from './dialect-manifest.js';

/** Names that an answer carries instead of the upstream's own. */
export interface AnswerIdentity {
  readonly generationId: string;
  /** Public id of the model that answered. */
  readonly model: string;
  /** Display name, for example "Together". */
  readonly providerName: string;
  /** Unix seconds. */
  readonly created: number;
}

/** What `usage` shows. Money is already the number the API demands, in USD. */
export interface UsageView {
  readonly meters: Meters;
  readonly cost: number;
  readonly isByok: boolean;
  /** What the provider bills; null unless the request ran on the customer's own key. */
  readonly upstreamInferenceCost: number | null;
  readonly upstreamInferencePromptCost: number;
  readonly upstreamInferenceCompletionsCost: number;
}

/** Fields that ride on the last chunk or the whole answer beside usage. */
export interface AnswerTail {
  readonly serviceTier?: string | undefined;
  readonly warnings?: readonly string[] | undefined;
}

/** Stateful for one stream. */
export interface StreamRenderer {
  /** Whole SSE events; `''` when the chunk shows nothing to this client. Usage and errors show nothing: the ingress writes them. */
  render(chunk: CanonicalChatChunk): string;
}

/** Gathers what a client is shown, out of what was rendered for it. */
export interface ShownAnswer {
  /** Whole SSE events. */
  addEvents(text: string): void;
  /** A whole answer, one JSON object. */
  addWhole(bytes: Uint8Array): void;
  readonly choices: readonly ShownChoice[];
}

/** A wire format as clients speak it. Pure. */
export interface ClientDialect {
  readonly name: ClientDialectName;
  /** @throws SwitchyardError `invalid_request` naming the field. */
  parseChatRequest(body: JsonObject): CanonicalChatRequest;
  /** A legacy completion as the chat that stands for it. @throws SwitchyardError `invalid_request`. */
  parseCompletionRequest(body: JsonObject): CanonicalChatRequest;
  /** @throws SwitchyardError `invalid_request`. */
  parseEmbeddingRequest(body: JsonObject): CanonicalEmbeddingRequest;
  /** One JSON object without `usage`, last byte `}`, never `{}`: `,"usage":{…}` can be spliced in. */
  renderChatResponse(response: CanonicalChatResponse, identity: AnswerIdentity): string;
  renderCompletionResponse(response: CanonicalChatResponse, identity: AnswerIdentity): string;
  renderEmbeddingResponse(response: CanonicalEmbeddingResponse, identity: AnswerIdentity, encodingFormat: 'float' | 'base64'): string;
  createStreamRenderer(identity: AnswerIdentity, apiType: 'chat' | 'completions'): StreamRenderer;
  /** Keeps so many characters of each text. */
  createShownAnswer(maxCharacters: number): ShownAnswer;
  /** Last chunk of a stream, a whole SSE event. */
  renderUsageChunk(usage: UsageView, identity: AnswerIdentity, apiType: 'chat' | 'completions', tail?: AnswerTail): string;
  /** `,"usage":{…}` and the tail's fields and the closing `}` for a whole answer whose own last `}` was cut off. */
  renderWholeTail(usage: UsageView, apiType: ApiType, tail?: AnswerTail): string;
  /** First chunk of an attempt when the client asked to see the upstream body. */
  renderDebugChunk(upstreamBody: string, identity: AnswerIdentity): string;
  /** `data: [DONE]` or what the dialect ends a stream with. */
  readonly streamEnd: string;
  readonly keepAliveComment: string;
}
