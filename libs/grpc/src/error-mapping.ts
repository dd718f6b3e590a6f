import { Metadata, status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import { SwitchyardError, type ErrorType } from '@switchyard/errors';
import { common, errorDetail, errorOfDetail } from '@switchyard/proto';
import { RETRY_AFTER_MS } from './call-deadline.js';
import { isStorageAway } from './storage-away.js';

/** Trailing metadata that carries `switchyard.common.v1.ErrorDetail`; the suffix makes it binary. */
export const ERROR_DETAIL_KEY = 'switchyard-error-bin';
const MASKED_MESSAGE = 'Something went wrong inside the gateway';
const AWAY_MESSAGE = 'The gateway cannot reach its data at the moment; try again';

/** What a gRPC handler fails with: `call` libraries read these three. */
export interface GrpcFailure {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** The parts of a logger that are needed here. */
export interface ErrorLogger {
  error(message: string, fields: { errorId: string; method: string; error: unknown }): void;
}

/**
 * What may leave a service: typed errors as they are, save for masked rows; everything else becomes a fixed sentence with an
 * id, and is logged in full under the same id. A database that is away is no fault of the call: it may be tried again.
 */
export function maskError(error: unknown, method: string, logger: ErrorLogger): SwitchyardError {
  if (error instanceof SwitchyardError && error.row.messagePolicy === 'open') return error;
  const errorId = errorIdOf(error) ?? crypto.randomUUID();
  logger.error('A call failed unexpectedly', { errorId, method, error });
  if (isStorageAway(error)) {
    return new SwitchyardError('gateway_unavailable', AWAY_MESSAGE, { retryAfterMs: RETRY_AFTER_MS, metadata: { errorId }, cause: error });
  }
  return new SwitchyardError(error instanceof SwitchyardError ? error.type : 'server', MASKED_MESSAGE, { metadata: { errorId }, cause: error });
}

export function toGrpcFailure(error: SwitchyardError): GrpcFailure {
  const metadata = new Metadata();
  metadata.set(ERROR_DETAIL_KEY, Buffer.from(common.ErrorDetail.encode(errorDetail(error)).finish()));
  return { code: error.row.grpcStatus, details: error.message, metadata };
}

/** Reads a failed call: the detail of the other side, else what the bare status says. */
export function fromGrpcError(error: unknown, portName: string): SwitchyardError {
  if (error instanceof SwitchyardError) return error;
  if (!isServiceError(error)) return new SwitchyardError('server', MASKED_MESSAGE, { cause: error });
  const detail = error.metadata?.get(ERROR_DETAIL_KEY)[0];
  if (detail instanceof Buffer) return errorOfDetail(common.ErrorDetail.decode(detail), error);
  const type = ERROR_TYPE_OF_BARE_STATUS[error.code] ?? 'server';
  const retry = type === 'gateway_unavailable' ? { retryAfterMs: RETRY_AFTER_MS } : {};
  return new SwitchyardError(type, bareMessage(type, portName), { cause: error, metadata: { port: portName }, ...retry });
}

/** No detail means that the call did not reach our code: the network, a proxy or gRPC itself answered. */
const ERROR_TYPE_OF_BARE_STATUS: Readonly<Record<number, ErrorType>> = {
  [GrpcStatus.UNAVAILABLE]: 'gateway_unavailable',
  [GrpcStatus.DEADLINE_EXCEEDED]: 'gateway_unavailable',
  [GrpcStatus.CANCELLED]: 'gateway_unavailable',
  [GrpcStatus.UNIMPLEMENTED]: 'not_implemented',
  [GrpcStatus.RESOURCE_EXHAUSTED]: 'payload_too_large',
};

function bareMessage(type: ErrorType, portName: string): string {
  const target = portName.slice(0, portName.indexOf('.'));
  if (type === 'gateway_unavailable') return `The ${target} service does not answer; try again`;
  if (type === 'not_implemented') return `The ${target} service does not know this call`;
  return type === 'payload_too_large' ? `The ${target} service refused a message of this size` : MASKED_MESSAGE;
}

/** The id under which another service of ours has logged the error already. */
function errorIdOf(error: unknown): string | undefined {
  const errorId = error instanceof SwitchyardError ? error.metadata?.['errorId'] : undefined;
  return typeof errorId === 'string' ? errorId : undefined;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'number';
}
