import { errorRow, isErrorType, SwitchyardError, type ErrorType, type SwitchyardErrorOptions } from '@switchyard/errors';
import type { ErrorDetail } from './gen/switchyard/common/v1/common.js';

/** An error as messages carry it. */
export function errorDetail(error: SwitchyardError): ErrorDetail {
  return {
    errorType: error.type,
    message: error.message,
    metadataJson: error.metadata === undefined ? '' : JSON.stringify(error.metadata, bigintAsText),
    retryAfterMs: error.retryAfterMs === undefined ? undefined : BigInt(Math.ceil(error.retryAfterMs)),
    providerCode: error.providerCode ?? '',
    upstreamStatus: error.upstreamStatus ?? 0,
    httpStatus: error.httpStatus === errorRow(error.type).httpStatus ? undefined : error.httpStatus,
  };
}

/** The error that a message tells of. */
export function errorOfDetail(detail: ErrorDetail, cause?: unknown): SwitchyardError {
  const type: ErrorType = isErrorType(detail.errorType) ? detail.errorType : 'server';
  const metadata = parseMetadata(detail.metadataJson);
  const options: SwitchyardErrorOptions = {
    ...(metadata === undefined ? {} : { metadata }),
    ...(detail.retryAfterMs === undefined ? {} : { retryAfterMs: Number(detail.retryAfterMs) }),
    ...(detail.providerCode === '' ? {} : { providerCode: detail.providerCode }),
    ...(detail.upstreamStatus === 0 ? {} : { upstreamStatus: detail.upstreamStatus }),
    ...(detail.httpStatus === undefined ? {} : { httpStatus: detail.httpStatus }),
    ...(cause === undefined ? {} : { cause }),
  };
  return new SwitchyardError(type, detail.message, options);
}

function parseMetadata(json: string): Record<string, unknown> | undefined {
  if (json === '') return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function bigintAsText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
