import type { IncomingMessage, ServerResponse } from 'node:http';

const ANY_ORIGIN = '*';
const PUBLIC_API = /^\/(?:api\/)?v1\//;
const METHODS = 'GET, POST, PATCH, DELETE';
/** As long as browsers keep an answer at most. */
const MAX_AGE_SECONDS = 7_200;

/**
 * Lets pages of these origins call the public API from a browser. Keys travel in a header that the page sets itself, never in cookies, so
 * that no page can act for a visitor.
 */
export class CrossOrigin {
  private readonly origins: ReadonlySet<string>;

  /** `*` stands for every origin; none means that no page may call. */
  constructor(origins: readonly string[]) {
    this.origins = new Set(origins);
  }

  /** Adds to an answer what a browser wants to see; true when it asked for nothing else and is answered. */
  answers(request: IncomingMessage, response: ServerResponse): boolean {
    const { origin } = request.headers;
    // Who is no browser names no origin.
    if (origin === undefined || this.origins.size === 0 || !PUBLIC_API.test(request.url ?? '')) return false;
    response.setHeader('vary', 'Origin');
    if (!this.origins.has(ANY_ORIGIN) && !this.origins.has(origin)) return false;
    response.setHeader('access-control-allow-origin', this.origins.has(ANY_ORIGIN) ? ANY_ORIGIN : origin);
    // Every header of an answer is the gateway's own.
    response.setHeader('access-control-expose-headers', '*');
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
    answerPreflight(request, response);
    return true;
  }
}

/** Any header may be sent: clients' libraries describe themselves in many. */
function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  const headers = request.headers['access-control-request-headers'];
  if (headers !== undefined) response.setHeader('access-control-allow-headers', headers);
  response.setHeader('vary', 'Origin, Access-Control-Request-Headers');
  response.setHeader('access-control-allow-methods', METHODS);
  response.setHeader('access-control-max-age', String(MAX_AGE_SECONDS));
  response.writeHead(204).end();
}
