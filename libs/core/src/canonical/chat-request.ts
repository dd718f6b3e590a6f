import type { CacheBreakpoint, CanonicalMessage } from './chat-content.js';
import type { JsonObject, JsonValue } from './json.js';

export interface ToolDefinition {
  readonly name: string;
  readonly description?: string | undefined;
  /** JSON Schema as the client wrote it; absent = no parameters. */
  readonly parameters?: JsonObject | undefined;
  readonly strict?: boolean | undefined;
  readonly cacheBreakpoint?: CacheBreakpoint | undefined;
}

export type ToolChoice =
  { readonly kind: 'auto' } | { readonly kind: 'none' } | { readonly kind: 'required' } | { readonly kind: 'tool'; readonly name: string };

export type ResponseFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json-object' }
  | {
      readonly kind: 'json-schema';
      readonly name: string;
      readonly description?: string | undefined;
      readonly schema: JsonObject;
      readonly strict?: boolean | undefined;
    }
  | { readonly kind: 'grammar'; readonly grammar: string };

export const REASONING_EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/** Present = the client said something about reasoning. `effort` and `maxTokens` exclude each other. */
export interface ReasoningRequest {
  readonly effort?: ReasoningEffort | undefined;
  readonly maxTokens?: number | undefined;
  readonly enabled?: boolean | undefined;
  /** Think, bill, but do not show. */
  readonly exclude?: boolean | undefined;
  readonly summary?: 'auto' | 'concise' | 'detailed' | undefined;
}

/** Absent values are left to the provider; nothing is defaulted. */
export interface SamplingParameters {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly topA?: number | undefined;
  readonly minP?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  readonly presencePenalty?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly seed?: number | undefined;
  readonly logitBias?: JsonObject | undefined;
  readonly logprobs?: boolean | undefined;
  readonly topLogprobs?: number | undefined;
}

/** One chat request in no dialect: the hub between every client dialect and every provider dialect. */
export interface CanonicalChatRequest {
  readonly messages: readonly CanonicalMessage[];
  readonly tools: readonly ToolDefinition[];
  readonly toolChoice?: ToolChoice | undefined;
  readonly parallelToolCalls?: boolean | undefined;
  readonly maxOutputTokens?: number | undefined;
  readonly sampling: SamplingParameters;
  readonly stop: readonly string[];
  readonly responseFormat?: ResponseFormat | undefined;
  readonly reasoning?: ReasoningRequest | undefined;
  readonly verbosity?: string | undefined;
  /** "Cache the longest prefix you can." */
  readonly cacheBreakpoint?: CacheBreakpoint | undefined;
  readonly promptCacheKey?: string | undefined;
  /** Output modalities; empty = text. */
  readonly modalities: readonly string[];
  readonly imageOutput?: JsonObject | undefined;
  readonly audioOutput?: JsonObject | undefined;
  readonly prediction?: JsonObject | undefined;
  readonly serviceTier?: string | undefined;
  readonly user?: string | undefined;
  readonly metadata?: JsonObject | undefined;
  readonly stream: boolean;
  /** Parameters of the client's dialect that we do not know. They reach a provider of the same dialect unchanged. */
  readonly extra: Readonly<Record<string, JsonValue>>;
}
