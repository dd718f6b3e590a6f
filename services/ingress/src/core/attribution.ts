import type { IncomingHttpHeaders } from 'node:http';
import { appAttribution } from './app-attribution.js';
import type { Attribution } from './generation-request.js';

/** Fields of a body that only records show. */
export interface AttributionFields {
  readonly user?: string | null | undefined;
  readonly sessionId?: string | null | undefined;
  readonly metadata?: Readonly<Record<string, string>> | null | undefined;
  readonly traceJson?: string | undefined;
}

const MAX_HEADER_LENGTH = 512;

/** Who asked and why, from body and headers; the body's session id wins over the header's. */
export function readAttribution(fields: AttributionFields, headers: IncomingHttpHeaders): Attribution {
  const app = appAttribution(headers);
  return {
    user: fields.user ?? '',
    sessionId: fields.sessionId ?? headerText(headers, 'x-session-id').slice(0, 256),
    metadata: fields.metadata ?? {},
    traceJson: fields.traceJson ?? '',
    httpReferer: app.referer,
    appTitle: app.title,
    appCategories: app.categories,
    userAgent: headerText(headers, 'user-agent'),
    requestId: headerText(headers, 'x-request-id'),
  };
}

export function headerText(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value.slice(0, MAX_HEADER_LENGTH) : '';
}
