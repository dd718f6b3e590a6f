import type { RequestHeaders } from '../auth/authenticator.js';

/** What the management routes need of a request. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: RequestHeaders;
}

/** The path without its query. */
export function pathOf(request: Pick<HttpRequest, 'url'>): string {
  const end = request.url.indexOf('?');
  return end === -1 ? request.url : request.url.slice(0, end);
}
