import { Client, credentials, Metadata, status as GrpcStatus, type ChannelOptions, type ServiceError } from '@grpc/grpc-js';
import { SwitchyardError } from '@switchyard/errors';
import type { CallOptions, MethodDefinition, Port } from '@switchyard/proto';
import { isIP } from 'node:net';
import { DEFAULT_TIMEOUT_MS, deadlineError } from './call-deadline.js';
import { CHANNEL_OPTIONS } from './channel-options.js';
import { ERROR_DETAIL_KEY, fromGrpcError } from './error-mapping.js';

export interface PortClientOptions {
  /** For unary calls that name none; 5 s when absent. */
  readonly defaultTimeoutMs?: number | undefined;
  readonly channelOptions?: ChannelOptions | undefined;
}

export interface PortClient<Shape> {
  readonly port: Shape;
  close(): void;
}

/**
 * A port over gRPC. Addresses are `host:port`; a name that resolves to several addresses is balanced over all of them, several
 * addresses must be IP addresses of one family. The channel connects again by itself; a stream that broke is the caller's to open again.
 */
export function createPortClient<Shape>(port: Port<Shape>, addresses: string | readonly string[], options: PortClientOptions = {}): PortClient<Shape> {
  const client = new Client(channelTarget(addresses), credentials.createInsecure(), { ...CHANNEL_OPTIONS, ...options.channelOptions });
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
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
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
    const call = client.makeUnaryRequest(method.path, asIs, method.responseDeserialize, encoded, new Metadata(), { deadline }, callback);
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
  const { signal } = options;
  if (signal?.aborted) throw asError(signal.reason);
  const call = client.makeServerStreamRequest(method.path, asIs, method.responseDeserialize, encodeRequest(portName, method, request));
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

function channelTarget(addresses: string | readonly string[]): string {
  const list = typeof addresses === 'string' ? [addresses] : addresses;
  const [first] = list;
  if (first === undefined) throw new SwitchyardError('invalid_request', 'A gRPC client needs an address');
  if (list.length === 1) return first;
  const family = isIP(hostOf(first));
  if (family === 0 || list.some((address) => isIP(hostOf(address)) !== family)) {
    throw new SwitchyardError('invalid_request', `Several gRPC addresses must be IP addresses of one family; give one DNS name instead of ${list.join(',')}`);
  }
  return `ipv${family}:${list.join(',')}`;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

function isOwnDeadline(error: ServiceError): boolean {
  return error.code === GrpcStatus.DEADLINE_EXCEEDED && error.metadata.get(ERROR_DETAIL_KEY).length === 0;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
