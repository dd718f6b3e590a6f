import type { ApiType } from '@switchyard/core';
import type { RoutingRequest } from '@switchyard/routing';
import type { RequestBound } from './reservation-bound.js';

/** What a public API made of a client's HTTP request: all that running it needs, whatever its dialect. */
export interface GenerationRequest {
  readonly apiType: ApiType;
  /** Dialect of `body` and of the answer. */
  readonly clientDialect: string;
  /** The client's body as it came. */
  readonly body: Uint8Array;
  readonly stream: boolean;
  readonly echoUpstreamBody: boolean;
  readonly routing: RoutingRequest;
  /** The client's own output cap. */
  readonly maxOutputTokens: number | undefined;
  readonly bound: RequestBound;
  readonly attribution: Attribution;
  readonly traceparent: string;
  /** What is not done of what it asks for, told with the answer. */
  readonly warnings: readonly string[];
}

/** What the records say of who asked and why; none of it routes. */
export interface Attribution {
  readonly user: string;
  readonly sessionId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly traceJson: string;
  readonly httpReferer: string;
  readonly appTitle: string;
  readonly appCategories: readonly string[];
  readonly userAgent: string;
  readonly requestId: string;
}
