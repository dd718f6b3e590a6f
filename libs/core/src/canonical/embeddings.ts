import type { Meters } from '../usage.js';
import type { JsonValue } from './json.js';

/** One input each; token arrays are for providers that take them. */
export type EmbeddingInput = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'tokens'; readonly tokens: readonly number[] };

export interface CanonicalEmbeddingRequest {
  readonly inputs: readonly EmbeddingInput[];
  readonly dimensions?: number | undefined;
  /** How the client wants vectors written; `base64` = little-endian float32. */
  readonly encodingFormat: 'float' | 'base64';
  /** `search_query`, `search_document` … */
  readonly inputType?: string | undefined;
  readonly user?: string | undefined;
  readonly extra: Readonly<Record<string, JsonValue>>;
}

export interface CanonicalEmbeddingResponse {
  readonly upstreamModel?: string | undefined;
  /** In the order of the inputs; a string is base64 as the provider sent it. */
  readonly vectors: readonly (readonly number[] | string)[];
  readonly meters?: Meters | undefined;
  /** What the provider says it costs. */
  readonly costUsd?: number | undefined;
}
