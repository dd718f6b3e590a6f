/**
 * A port is a service of the protocol buffers seen as a plain TypeScript interface. Whoever needs one does not know
 * whether it is served in the same process or over gRPC.
 */
export interface MethodDefinition {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  // Method syntax keeps the parameters bivariant, so that every generated definition fits.
  requestSerialize(value: unknown): Buffer;
  requestDeserialize(value: Buffer): unknown;
  responseSerialize(value: unknown): Buffer;
  responseDeserialize(value: Buffer): unknown;
}

export type PortDefinition = Readonly<Record<string, MethodDefinition>>;

export interface CallOptions {
  /** Unary calls only; 5 s when absent. Expiry rejects with `gateway_unavailable`. */
  readonly timeoutMs?: number | undefined;
  /** Aborting it cancels the call (and its work on the other side, which sees its own signal abort); the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** W3C `traceparent` of the caller's span when it is recorded: a service in another process makes its own span below it. */
  readonly traceparent?: string | undefined;
}

type UnaryMethod<Request, Response> = (request: Request, options?: CallOptions) => Promise<Response>;
type ServerStreamMethod<Request, Response> = (request: Request, options?: CallOptions) => AsyncIterable<Response>;

type MethodOf<Method> = Method extends {
  responseStream: infer ResponseStream;
  requestDeserialize: (value: Buffer) => infer Request;
  responseDeserialize: (value: Buffer) => infer Response;
}
  ? ResponseStream extends true
    ? ServerStreamMethod<Request, Response>
    : UnaryMethod<Request, Response>
  : never;

/**
 * The interface of a generated service definition, for callers and implementations alike: an implementation is always called with
 * a `signal` that aborts when its caller is gone. Unary methods return a promise, server streams an
 * AsyncIterable whose early end (`break`) cancels the stream. Methods with request streams have no place in a port.
 */
export type PortOf<Definition> = {
  readonly [Name in keyof Definition as Definition[Name] extends { requestStream: false } ? Name : never]: MethodOf<Definition[Name]>;
};

export interface Port<Shape> {
  /** `<target>.<Service>`, for example `billing.KeyService`. */
  readonly name: string;
  /** Name of the target that provides it. */
  readonly target: string;
  /** Injection token of the implementation in the target's module. */
  readonly token: symbol;
  readonly definition: PortDefinition;
  /** Only the compiler uses it: carries the interface. */
  readonly shape?: Shape;
}

export function definePort<const Definition extends object>(name: `${string}.${string}`, definition: Definition): Port<PortOf<Definition>> {
  return {
    name,
    target: name.slice(0, name.indexOf('.')),
    token: Symbol.for(`switchyard.port.${name}`),
    definition: definition as unknown as PortDefinition,
  };
}
