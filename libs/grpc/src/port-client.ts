import { Client, credentials, status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import { SwitchyardError } from '@switchyard/errors';
import type { CallOptions, MethodDefinition, Port } from '@switchyard/proto';
import { DEFAULT_TIMEOUT_MS, deadlineError } from './call-deadline.js';
import { callMetadata } from './call-metadata.js';
import { CHANNEL_OPTIONS } from './channel-options.js';
import { ERROR_DETAIL_KEY, fromGrpcError } from './error-mapping.js';
import { followingTarget, FOLLOW_OPTIONS_KEY, type FollowOptions } from './following-resolver.js';
import { splitAddress } from './host-addresses.js';
import type { TlsIdentity } from './tls-identity.js';

export interface PortClientOptions {
  /** For unary calls that name none; 5 s when absent. */
  readonly defaultTimeoutMs?: number | undefined;
  /** Plain text when absent. */
  readonly tls?: TlsIdentity | undefined;
  /** How names are followed to their addresses. */
  readonly follow?: FollowOptions | undefined;
}

export interface PortClient<Shape> {
  readonly port: Shape;
  close(): void;
}

/**
 * A port over gRPC. Addresses are `host:port`; calls are balanced over all that these names stand for, and follow them as they change. The
 * channel connects again by itself; a stream that broke is the caller's to open again.
 */
export function createPortClient<Shape>(port: Port<Shape>, addresses: string | readonly string[], options: PortClientOptions = {}): PortClient<Shape> {
  const names = typeof addresses === 'string' ? [addresses] : addresses;
  if (names.length === 0) throw new SwitchyardError('invalid_request', 'A gRPC client needs an address');
  const { tls } = options;
  const channelCredentials = tls?.credentialsFor(names.map((name) => splitAddress(name).host)) ?? credentials.createInsecure();
  const client = new Client(followingTarget(names), channelCredentials, {
    ...CHANNEL_OPTIONS,
    ...(tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }),
    ...(options.follow === undefined ? {} : { [FOLLOW_OPTIONS_KEY]: options.follow }),
  });
  const methods: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(port.definition)) {
    if (method.requestStream) continue;
    methods[name] = method.responseStream
      ? (request: unknown, callOptions?: CallOptions) => callServerStream(client, port.name, method, request, callOptions)
      : (request: unknown, callOptions?: CallOptions) =>
          callUnary(client, port.name, method, request, { timeoutMs: options.defaultTimeoutMs ?? DEFAULT_TIMEOUT_MS, ...callOptions });
  }
  return { port: methods as Shape, close: () => client.close() };
}

function callUnary(client: Client, portName: string, method: MethodDefinition, request: unknown, options: CallOptions): Promise<unknown> {
  const { signal, traceparent, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(asError(signal.reason));
    const encoded = encodeRequest(portName, method, request);
    const onAbort = (): void => call.cancel();
    const callback = (error: ServiceError | null, response?: unknown): void => {
      signal?.removeEventListener('abort', onAbort);
      if (!error) return resolve(response);
      if (signal?.aborted) return reject(asError(signal.reason));
      reject(isOwnDeadline(error) ? deadlineError(portName, timeoutMs, error) : fromGrpcError(error, portName));
    };
    const deadline = Date.now() + timeoutMs;
    const call = client.makeUnaryRequest(method.path, asIs, method.responseDeserialize, encoded, callMetadata(traceparent), { deadline }, callback);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

async function* callServerStream(
  client: Client,
  portName: string,
  method: MethodDefinition,
  request: unknown,
  options: CallOptions = {},
): AsyncGenerator<unknown, void, undefined> {
  const { signal, traceparent } = options;
  if (signal?.aborted) throw asError(signal.reason);
  const encoded = encodeRequest(portName, method, request);
  const call = client.makeServerStreamRequest(method.path, asIs, method.responseDeserialize, encoded, callMetadata(traceparent));
  const onAbort = (): void => call.cancel();
  signal?.addEventListener('abort', onAbort, { once: true });
  // Cancelling reports an error after the loop is gone; without a listener it would end the process.
  call.on('error', () => undefined);
  try {
    for await (const message of call) {
      if (signal?.aborted) break;
      yield message;
    }
  } catch (error) {
    if (!signal?.aborted) throw fromGrpcError(error, portName);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    call.cancel();
  }
  if (signal?.aborted) throw asError(signal.reason);
}

/** gRPC would report what cannot be encoded, such as a number beyond 64 bits, as a failure of the service. */
function encodeRequest(portName: string, method: MethodDefinition, request: unknown): Buffer {
  try {
    return method.requestSerialize(request);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SwitchyardError('invalid_request', `The request to ${portName} cannot be encoded: ${reason}`, { cause: error });
  }
}

function asIs(encoded: Buffer): Buffer {
  return encoded;
}

function isOwnDeadline(error: ServiceError): boolean {
  return error.code === GrpcStatus.DEADLINE_EXCEEDED && error.metadata.get(ERROR_DETAIL_KEY).length === 0;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
