import type { ApiType } from '@switchyard/core';
import type { BreakerView } from './circuit-breaker.js';

/** What a request asks of routing. Plain JSON, so that it can be sent to `Decide` as it is. */
export interface RoutingRequest {
  /** Undefined when only `models` is given. */
  readonly model?: string | undefined;
  /** Further models, in order of preference. */
  readonly models?: readonly string[] | undefined;
  readonly provider?: ProviderPreferences | undefined;
  /** OpenRouter's legacy field: `fallback` means partition `model`, `sort` means partition `none`. */
  readonly route?: string | undefined;
  readonly apiType: ApiType;
  readonly stream: boolean;
  /** Names of the optional parameters that the client sent, in OpenRouter's vocabulary (`temperature`, `tools`, `response_format`, …). */
  readonly parameters: readonly string[];
  readonly uses: RequestFeatures;
  /** Likely prompt size, which prices, deadlines and the order go by. */
  readonly promptTokensEstimate: number;
  /** What the prompt surely counts as: a request is refused for its length by nothing else. Absent like 0. */
  readonly promptTokensLeast?: number | undefined;
  /** The client's own `max_tokens`/`max_completion_tokens`. */
  readonly maxOutputTokens?: number | undefined;
  /** `auto`, `default`, `priority`, `fast`, `flex`. */
  readonly serviceTier?: string | undefined;
}

export interface RequestFeatures {
  readonly tools: boolean;
  /** `json_object`, `json_schema`; undefined for text. */
  readonly responseFormat?: string | undefined;
  readonly verbosity: boolean;
  readonly reasoning: boolean;
  /** The client asked for an answer without any reasoning. */
  readonly forbidsReasoning?: boolean | undefined;
  readonly images: boolean;
  readonly audio: boolean;
  readonly files: boolean;
  readonly video: boolean;
  /** What the client wants besides text: `image`, `audio`. */
  readonly outputModalities: readonly string[];
}

/** The `provider` object of a request, field for field as on the wire. */
export interface ProviderPreferences {
  readonly order?: readonly string[] | undefined;
  readonly only?: readonly string[] | undefined;
  readonly ignore?: readonly string[] | undefined;
  readonly allow_fallbacks?: boolean | undefined;
  readonly require_parameters?: boolean | undefined;
  readonly data_collection?: 'allow' | 'deny' | undefined;
  readonly zdr?: boolean | undefined;
  readonly enforce_distillable_text?: boolean | undefined;
  readonly quantizations?: readonly string[] | undefined;
  readonly sort?: SortMetric | SortPreference | undefined;
  /** Tokens per second. */
  readonly preferred_min_throughput?: number | PercentileCutoffs | undefined;
  /** Seconds. */
  readonly preferred_max_latency?: number | PercentileCutoffs | undefined;
  /** USD per million tokens for prompt, completion and audio; USD each for request and image. */
  readonly max_price?: MaxPrice | undefined;
}

export type SortMetric = 'price' | 'throughput' | 'latency' | 'exacto';

export interface SortPreference {
  readonly by?: SortMetric | undefined;
  /** `none` merges the endpoints of every model in `models`. */
  readonly partition?: 'model' | 'none' | undefined;
}

export interface PercentileCutoffs {
  readonly p50?: number | undefined;
  readonly p75?: number | undefined;
  readonly p90?: number | undefined;
  readonly p99?: number | undefined;
}

export type MaxPrice = Readonly<Partial<Record<'prompt' | 'completion' | 'request' | 'image' | 'audio', number | string | undefined>>>;

/** What the account, the key and this process add to a request. */
export interface RoutingPolicy {
  /** Provider slugs (base or full); undefined: all. */
  readonly allowedProviders?: readonly string[] | undefined;
  readonly ignoredProviders?: readonly string[] | undefined;
  /** Model slugs the key may use (`author/slug`, with or without variant, `author/*`); undefined: all. */
  readonly allowedModels?: readonly string[] | undefined;
  /** Only endpoints that keep nothing. A request cannot relax it. */
  readonly zdr?: boolean | undefined;
  /** `deny`: no endpoint that trains on or keeps prompts. A request cannot relax it. */
  readonly dataCollection?: 'allow' | 'deny' | undefined;
  /** Regions an endpoint must be in; undefined: anywhere. */
  readonly allowedRegions?: readonly string[] | undefined;
  /** This process's own evidence; undefined: every breaker is closed. */
  readonly breakers?: BreakerView | undefined;
  readonly deadlines?: Partial<DeadlineSettings> | undefined;
}

export interface DeadlineSettings {
  readonly connectMs: number;
  /** While nothing is known of an endpoint's latency. */
  readonly firstTokenUnknownMs: number;
  readonly firstTokenMinMs: number;
  readonly firstTokenMaxMs: number;
  /** First token may take this many times the endpoint's p99 of the last 5 minutes. */
  readonly firstTokenFactor: number;
  readonly betweenChunksMs: number;
  readonly totalMs: number;
}
