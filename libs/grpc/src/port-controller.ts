import type { ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { Controller, Inject, type Type } from '@nestjs/common';
import { GrpcMethod, RpcException } from '@nestjs/microservices';
import type { MethodDefinition, Port } from '@switchyard/proto';
import { EMPTY, type Observable } from 'rxjs';
import { maskError, toGrpcFailure, type ErrorLogger } from './error-mapping.js';
import { implementedMethod } from './port-implementation.js';
import { pumpToCall } from './stream-pump.js';

/** Token for the logger that the generated controllers report masked errors to. */
export const PORT_ERROR_LOGGER = Symbol.for('switchyard.port-error-logger');

type UnaryCall = ServerUnaryCall<unknown, unknown>;
type StreamCall = ServerWritableStream<unknown, unknown>;

/** A Nest controller that serves every method of a port from the provider under `token` (the port's own when absent). */
export function createPortController<Shape>(port: Port<Shape>, token: symbol = port.token): Type<object> {
  @Controller()
  class PortController {
    constructor(
      @Inject(token) readonly implementation: object,
      @Inject(PORT_ERROR_LOGGER) readonly logger: ErrorLogger,
    ) {}
  }
  Object.defineProperty(PortController, 'name', { value: `${port.name.replace('.', '')}Controller` });
  for (const [name, method] of Object.entries(port.definition)) {
    if (method.requestStream) continue;
    addHandler(PortController, name, method, method.responseStream ? streamHandler(port, name) : unaryHandler(port, name));
  }
  return PortController;
}

interface ControllerState {
  readonly implementation: object;
  readonly logger: ErrorLogger;
}
type Handler = (this: ControllerState, request: unknown, metadata: unknown, call: never) => Promise<unknown>;

function addHandler(controller: Type<object>, name: string, method: MethodDefinition, handler: Handler): void {
  const [, service, rpc] = method.path.split('/');
  if (service === undefined || rpc === undefined) throw new Error(`${method.path} is not the path of a method`);
  const descriptor: PropertyDescriptor = { value: handler, configurable: true, enumerable: false, writable: true };
  Object.defineProperty(controller.prototype as object, name, descriptor);
  GrpcMethod(service, rpc)(controller.prototype as object, name, descriptor);
}

function unaryHandler<Shape>(port: Port<Shape>, name: string): Handler {
  return async function unary(request, _metadata, call: UnaryCall) {
    try {
      const signal = cancellationSignal(call);
      return await implementedMethod(port, name, this.implementation as Shape)(request, { signal });
    } catch (error) {
      throw rpcException(error, port, name, this.logger);
    }
  };
}

function streamHandler<Shape>(port: Port<Shape>, name: string): Handler {
  return async function serverStream(request, _metadata, call: StreamCall): Promise<Observable<never>> {
    const signal = cancellationSignal(call);
    try {
      await pumpToCall(implementedMethod(port, name, this.implementation as Shape)(request, { signal }) as AsyncIterable<unknown>, call, signal);
    } catch (error) {
      if (!signal.aborted) throw rpcException(error, port, name, this.logger);
    }
    // Nest ends the call when this completes; it never sees a message, because its own writer buffers without bound.
    return EMPTY;
  };
}

function cancellationSignal(call: UnaryCall | StreamCall): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new Error('The caller went away'));
  if (call.cancelled) abort();
  else call.once('cancelled', abort);
  return controller.signal;
}

function rpcException<Shape>(error: unknown, port: Port<Shape>, name: string, logger: ErrorLogger): RpcException {
  return new RpcException(toGrpcFailure(maskError(error, `${port.name}/${name}`, logger)));
}
