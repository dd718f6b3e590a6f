import type { IncomingHttpHeaders } from 'node:http';
import { MAX_SESSION_ID_LENGTH } from '@switchyard/api';
import { SwitchyardError } from '@switchyard/errors';
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

/**
 * Who asked and why, from body and headers; the body's session id wins over the header's.
 * @throws SwitchyardError `invalid_request`
 */
export function readAttribution(fields: AttributionFields, headers: IncomingHttpHeaders): Attribution {
  const app = appAttribution(headers);
  return {
    user: fields.user ?? '',
    sessionId: fields.sessionId ?? sessionIdOf(headers),
    metadata: fields.metadata ?? {},
    traceJson: fields.traceJson ?? '',
    httpReferer: app.referer,
    appTitle: app.title,
    appCategories: app.categories,
    userAgent: headerText(headers, 'user-agent'),
    requestId: headerText(headers, 'x-request-id'),
  };
}

/** @throws SwitchyardError `invalid_request` when it is longer than the body's may be: cut, sessions that differ at their end would be one. */
function sessionIdOf(headers: IncomingHttpHeaders): string {
  const id = headers['x-session-id'];
  if (typeof id !== 'string') return '';
  if (id.length > MAX_SESSION_ID_LENGTH)
    throw new SwitchyardError('invalid_request', `x-session-id: Too big: expected string to have <=${MAX_SESSION_ID_LENGTH} characters`, {
      metadata: { param: 'x-session-id' },
    });
  return id;
}

/** Cut at a bound; empty where the header is absent or was sent twice. */
export function headerText(headers: Readonly<Record<string, string | string[] | undefined>>, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value.slice(0, MAX_HEADER_LENGTH) : '';
}
