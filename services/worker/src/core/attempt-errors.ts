import { SwitchyardError } from '@switchyard/errors';
import type { UpstreamFailure } from '@switchyard/dialects/provider';

export type DeadlineStage = 'connect' | 'first-token' | 'between-chunks' | 'total';

/** Shorter ones are placeholders for servers that want any key; taking them out would garble what providers say. */
const MIN_SECRET_LENGTH = 8;

/** What a provider said went wrong, as an error that ends the attempt. Providers may quote the operator's credential: it is taken out. */
export function upstreamFailureError(failure: UpstreamFailure, credential: string | undefined): SwitchyardError {
  const redacted = (text: string): string => withoutSecret(text, credential);
  return new SwitchyardError(failure.errorType, redacted(failure.message), {
    ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
    ...(failure.providerCode === undefined ? {} : { providerCode: redacted(failure.providerCode) }),
    ...(failure.upstreamStatus === undefined ? {} : { upstreamStatus: failure.upstreamStatus }),
  });
}

/** The text as anybody may read it. */
export function withoutSecret(text: string, secret: string | undefined): string {
  return secret === undefined || secret.length < MIN_SECRET_LENGTH ? text : text.replaceAll(secret, '[redacted]');
}

const DEADLINE_SENTENCES: Readonly<Record<DeadlineStage, string>> = {
  connect: 'did not accept a connection in time',
  'first-token': 'did not begin to answer in time',
  'between-chunks': 'stopped answering part-way',
  total: 'did not finish in time',
};

/** The provider missed a deadline of the attempt: `limitMs` is how long it had. */
export function deadlineError(stage: DeadlineStage, providerName: string, limitMs: number): SwitchyardError {
  return new SwitchyardError('timeout', `${providerName} ${DEADLINE_SENTENCES[stage]} (${limitMs} ms).`, { metadata: { stage, limitMs } });
}

/** What a customer names by URL took all the time that there was. */
export function lateMediaError(limitMs: number): SwitchyardError {
  return new SwitchyardError('image_download_failed', `What the request names by URL could not be downloaded in time (${limitMs} ms).`);
}

/** Sentences for what goes wrong below HTTP; the code itself is kept for people who look for it. */
const TRANSPORT_SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ENOTFOUND: 'has a host name that does not resolve',
  EAI_AGAIN: 'has a host name that does not resolve right now',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  ECONNRESET: 'reset the connection',
  EPIPE: 'closed the connection',
  UND_ERR_SOCKET: 'closed the connection',
  UND_ERR_HEADERS_OVERFLOW: 'sent headers that are too large',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'sent less than it announced',
};

/** Connection, TLS and HTTP framing errors; undici's own timeouts included. */
export function transportError(cause: unknown, providerName: string): SwitchyardError {
  if (cause instanceof SwitchyardError) return cause;
  const code = errorCode(cause);
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return new SwitchyardError('timeout', `${providerName} ${DEADLINE_SENTENCES.connect}.`, { providerCode: code, cause });
  }
  const sentence =
    TRANSPORT_SENTENCES[code] ??
    (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code) ? 'offered a TLS certificate that is not trusted' : 'broke the connection');
  return new SwitchyardError('provider_unavailable', `${providerName} ${sentence}.`, { providerCode: code, cause });
}

function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'name' in error && typeof error.name === 'string' ? error.name : '';
}
