import type {
  CanonicalChatChunk,
  CanonicalChatRequest,
  CanonicalChatResponse,
  CanonicalEmbeddingRequest,
  CanonicalEmbeddingResponse,
  CanonicalError,
  JsonObject,
  JsonValue,
  Meters,
} from '@switchyard/core';
import type { ErrorType } from '@switchyard/errors';
import type { DialectManifest, EndpointFacts, ProviderDialectName } from './dialect-manifest.js';

/** What went wrong upstream, in the error table's terms. */
export interface UpstreamFailure extends CanonicalError {
  readonly errorType: ErrorType;
  /** Its bytes could not be read: it did not say itself that it failed. */
  readonly isUnreadable?: boolean | undefined;
}

/** Canonical chunk as a provider dialect makes it. */
export type ProviderChunk = CanonicalChatChunk<UpstreamFailure>;

/** Body and address of an upstream call. Base URL, authentication and the manifest's own headers are the worker's. */
export interface UpstreamRequest {
  readonly method: 'POST';
  /** Joined to the base URL; may hold a query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
  /** What could not be carried, in sentences for the client. */
  readonly warnings: readonly string[];
}

export interface FetchedMedia {
  readonly mediaType: string;
  /** base64 */
  readonly data: string;
}

export interface BuildOptions {
  readonly stream: boolean;
  /** Cap that routing decided; overrides the client's own. */
  readonly maxOutputTokens?: number | undefined;
  /** Answers to the URLs of `mediaUrlsToFetch`. */
  readonly media?: ReadonlyMap<string, FetchedMedia> | undefined;
}

export interface StreamFinish {
  readonly chunks: readonly ProviderChunk[];
  /** `truncated`: the upstream closed before it had said that it was done. */
  readonly outcome: 'finished' | 'truncated';
}

/** Stateful for one stream. */
export interface ProviderStreamParser {
  /** What cannot be read is an `error` chunk. @throws SwitchyardError `provider_unavailable` on an event beyond bounds. */
  push(bytes: Uint8Array): readonly ProviderChunk[];
  /** The provider said its last word: what follows need not be awaited. Not every dialect has one. */
  readonly isDone: boolean;
  finish(): StreamFinish;
}

/** A wire format as providers speak it. Pure: the worker does the I/O. */
export interface ProviderDialect {
  readonly name: ProviderDialectName;
  /** URLs in the request that this provider wants as bytes: fetch them and pass them to `buildRequest`. */
  mediaUrlsToFetch(request: CanonicalChatRequest, manifest: DialectManifest): readonly string[];
  /** @throws SwitchyardError when the request cannot be carried at all. */
  buildRequest(request: CanonicalChatRequest, endpoint: EndpointFacts, manifest: DialectManifest, options: BuildOptions): UpstreamRequest;
  /** @throws SwitchyardError `provider_unavailable` when the body is not the dialect's. */
  parseResponse(body: JsonValue, manifest: DialectManifest): CanonicalChatResponse<UpstreamFailure>;
  createStreamParser(manifest: DialectManifest): ProviderStreamParser;
  /** Of an answer with a status that is not 2xx. `headers` have lower-case names; `body` may be anything. `nowMs` reads dates in Retry-After. */
  parseError(
    status: number,
    headers: Readonly<Record<string, string | readonly string[] | undefined>>,
    body: string,
    manifest: DialectManifest,
    nowMs: number,
  ): UpstreamFailure;
  /** The provider's usage object as disjoint meters that add up to its own totals. */
  meters(usage: JsonObject, manifest: DialectManifest): Meters;
  readonly embeddings?: ProviderEmbeddings | undefined;
}

export interface ProviderEmbeddings {
  buildRequest(request: CanonicalEmbeddingRequest, endpoint: EndpointFacts, manifest: DialectManifest): UpstreamRequest;
  parseResponse(body: JsonValue, manifest: DialectManifest): CanonicalEmbeddingResponse;
}
