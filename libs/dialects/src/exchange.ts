import type { ApiType, FinishReason, Meters } from '@switchyard/core';
import type { AnswerIdentity } from './client-dialect.js';
import type { ClientDialectName, DialectManifest, EndpointFacts } from './dialect-manifest.js';
import type { FetchedMedia, UpstreamFailure, UpstreamRequest } from './provider-dialect.js';

/** One attempt's both ends: the client's bytes and dialect, the endpoint's facts and manifest. */
export interface ExchangeInput {
  readonly clientDialect: ClientDialectName;
  readonly apiType: ApiType;
  /** The client's body as it came. */
  readonly body: Uint8Array;
  readonly stream: boolean;
  readonly maxOutputTokens?: number | undefined;
  readonly identity: AnswerIdentity;
  readonly endpoint: EndpointFacts;
  readonly manifest: DialectManifest;
}

/** Translates one attempt in both directions; the same-dialect path hides in here. */
export interface Exchange {
  /** URLs whose bytes `buildRequest` needs first (SSRF guard is the caller's). Mostly empty. */
  readonly mediaUrls: readonly string[];
  /** Once per exchange, before the answer is read. @throws SwitchyardError */
  buildRequest(media?: ReadonlyMap<string, FetchedMedia>): UpstreamRequest;
  /** For streamed requests with a 2xx answer. */
  openStream(): ExchangeStream;
  /** For whole answers with 2xx. @throws SwitchyardError when the body is not the provider's dialect. */
  readWhole(body: Uint8Array): ExchangeAnswer;
  /** For any other status. */
  readError(status: number, headers: Readonly<Record<string, string | readonly string[] | undefined>>, body: Uint8Array, nowMs: number): UpstreamFailure;
}

/** What a provider says of its own answer, which nobody is charged by. */
export interface ProviderStatement {
  /** What answered. */
  readonly model?: string | undefined;
  /** What it charges for it. */
  readonly costUsd?: number | undefined;
}

export interface ExchangeAnswer {
  /** One JSON object in the client's dialect without `usage`, last byte `}`. */
  readonly bytes: Uint8Array;
  readonly finishReason: FinishReason | null;
  readonly nativeFinishReason: string | null;
  /** Absent = the provider reported none: estimate and flag. */
  readonly meters?: Meters | undefined;
  /** UTF-8 bytes of model output, for estimates. */
  readonly outputBytes: number;
  /** Of them, reasoning. */
  readonly reasoningBytes: number;
  readonly upstreamId?: string | undefined;
  readonly serviceTier?: string | undefined;
  /** 200 with an error inside: treat as a failed attempt. */
  readonly error?: UpstreamFailure | undefined;
  readonly statement: ProviderStatement;
}

/** State of a stream after one push. Counters and names are cumulative. */
export interface StreamProgress {
  /** Whole SSE events for the client; `''` when there is nothing new to show. */
  readonly bytes: string;
  /** These bytes hold model output (text, reasoning, a tool call, a refusal, a picture, sound). */
  readonly hasContent: boolean;
  readonly finishReason?: FinishReason | undefined;
  readonly nativeFinishReason?: string | undefined;
  /** The newest cumulative usage; absent until the provider reported any. */
  readonly meters?: Meters | undefined;
  /** They were counted with the finish reason or after it; earlier ones are of a beginning. */
  readonly isUsageFinal: boolean;
  readonly outputBytes: number;
  readonly reasoningBytes: number;
  readonly upstreamId?: string | undefined;
  readonly serviceTier?: string | undefined;
  /** The provider reported a failure in mid-stream, or sent what cannot be read: stop reading. What these bytes show came before it. */
  readonly error?: UpstreamFailure | undefined;
  /** The provider said its last word; what follows need not be awaited. */
  readonly done: boolean;
}

export interface ExchangeStream {
  /** @throws SwitchyardError `provider_unavailable` on an event beyond bounds. */
  push(bytes: Uint8Array): StreamProgress;
  /** The upstream closed. `truncated` = before it was done: an error, never a clean end. */
  finish(): StreamProgress & { readonly outcome: 'finished' | 'truncated' };
  /** So far. */
  readonly statement: ProviderStatement;
}

/** @throws SwitchyardError `invalid_request` when the client's body cannot be read. */
export type CreateExchange = (input: ExchangeInput) => Exchange;
