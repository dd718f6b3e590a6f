import { status as GrpcStatus, type Metadata, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import { Controller, Inject, type Type } from '@nestjs/common';
import { GrpcMethod, RpcException } from '@nestjs/microservices';
import type { MethodDefinition, Port } from '@switchyard/proto';
import { ServedCallTracer, type ServedCall, type Tracer } from '@switchyard/telemetry';
import { EMPTY, type Observable } from 'rxjs';
import { traceparentOf } from './call-metadata.js';
import { maskError, toGrpcFailure, type ErrorLogger, type GrpcFailure } from './error-mapping.js';
import { implementedMethod } from './port-implementation.js';
import { pumpToCall } from './stream-pump.js';

/** Token for the logger that the generated controllers report masked errors to. */
export const PORT_ERROR_LOGGER = Symbol.for('switchyard.port-error-logger');

type UnaryCall = ServerUnaryCall<unknown, unknown>;
type StreamCall = ServerWritableStream<unknown, unknown>;

/** A Nest controller that serves every method of a port from the provider under the port's token. `tracer`: undefined where nothing is traced. */
export function createPortController<Shape>(port: Port<Shape>, tracer?: Tracer): Type<object> {
  @Controller()
  class PortController {
    constructor(
      @Inject(port.token) readonly implementation: object,
      @Inject(PORT_ERROR_LOGGER) readonly logger: ErrorLogger,
    ) {}
  }
  Object.defineProperty(PortController, 'name', { value: `${port.name.replace('.', '')}Controller` });
  const calls = tracer && new ServedCallTracer(tracer);
  for (const [name, method] of Object.entries(port.definition)) {
    if (method.requestStream) continue;
    const begin = (metadata: Metadata) => calls?.begin(method.path.slice(1), traceparentOf(metadata));
    addHandler(PortController, name, method, method.responseStream ? streamHandler(port, name, begin) : unaryHandler(port, name, begin));
  }
  return PortController;
}

interface ControllerState {
  readonly implementation: object;
  readonly logger: ErrorLogger;
}
type Handler = (this: ControllerState, request: unknown, metadata: Metadata, call: never) => Promise<unknown>;
/** Begins the span of a call, where its caller has one. */
type BeginTrace = (metadata: Metadata) => ServedCall | undefined;

function addHandler(controller: Type<object>, name: string, method: MethodDefinition, handler: Handler): void {
  const [, service, rpc] = method.path.split('/');
  if (service === undefined || rpc === undefined) throw new Error(`${method.path} is not the path of a method`);
  const descriptor: PropertyDescriptor = { value: handler, configurable: true, enumerable: false, writable: true };
  Object.defineProperty(controller.prototype as object, name, descriptor);
  GrpcMethod(service, rpc)(controller.prototype as object, name, descriptor);
}

function unaryHandler<Shape>(port: Port<Shape>, name: string, begin: BeginTrace): Handler {
  return async function unary(request, metadata, call: UnaryCall) {
    const trace = begin(metadata);
    const signal = cancellationSignal(call);
    try {
      const answer = await implementedMethod(port, name, this.implementation as Shape)(request, { signal });
      trace?.end(signal.aborted ? GrpcStatus.CANCELLED : GrpcStatus.OK);
      return answer;
    } catch (error) {
      // Nobody hears it any more, and an end that its caller wanted is no failure.
      const failure = signal.aborted ? CANCELLED : grpcFailure(error, port, name, this.logger);
      trace?.end(failure.code);
      throw new RpcException(failure);
    }
  };
}

const CANCELLED = { code: GrpcStatus.CANCELLED, details: 'The caller went away' };

/** A stream may last for days: its span ends with the first message. */
function streamHandler<Shape>(port: Port<Shape>, name: string, begin: BeginTrace): Handler {
  return async function serverStream(request, metadata, call: StreamCall): Promise<Observable<never>> {
    const trace = begin(metadata);
    const signal = cancellationSignal(call);
    try {
      const source = implementedMethod(port, name, this.implementation as Shape)(request, { signal }) as AsyncIterable<unknown>;
      await pumpToCall(source, call, signal, trace && (() => trace.end()));
      trace?.end(signal.aborted ? GrpcStatus.CANCELLED : GrpcStatus.OK);
    } catch (error) {
      if (signal.aborted) trace?.end(GrpcStatus.CANCELLED);
      else {
        const failure = grpcFailure(error, port, name, this.logger);
        trace?.end(failure.code);
        throw new RpcException(failure);
      }
    }
    // Nest ends the call when this completes; it never sees a message, because its own writer buffers without bound.
    return EMPTY;
  };
}

function cancellationSignal(call: UnaryCall | StreamCall): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new Error(CANCELLED.details));
  if (call.cancelled) abort();
  else call.once('cancelled', abort);
  return controller.signal;
}

function grpcFailure<Shape>(error: unknown, port: Port<Shape>, name: string, logger: ErrorLogger): GrpcFailure {
  return toGrpcFailure(maskError(error, `${port.name}/${name}`, logger));
}
