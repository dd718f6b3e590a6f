import type { CallOptions, Port } from '@switchyard/proto';
import { iterateUntilAborted } from './abortable-iteration.js';
import { DEFAULT_TIMEOUT_MS, deadlineError } from './call-deadline.js';
import { maskError, type ErrorLogger } from './error-mapping.js';
import { implementedMethod } from './port-implementation.js';

/**
 * A port whose implementation lives in this process. It behaves as over gRPC (deadlines, signals, masked errors), without the
 * encoding. `resolve` is called with the first call, so a port can be handed out before its target started.
 */
export function createLocalPort<Shape>(port: Port<Shape>, resolve: () => Shape, logger: ErrorLogger): Shape {
  let implementation: Shape | undefined;
  const get = (): Shape => (implementation ??= resolve());
  const methods: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(port.definition)) {
    if (method.requestStream) continue;
    methods[name] = method.responseStream
      ? (request: unknown, options?: CallOptions) => callServerStream(port, name, get, request, options, logger)
      : (request: unknown, options?: CallOptions) => callUnary(port, name, get, request, options, logger);
  }
  return methods as Shape;
}

async function callUnary<Shape>(
  port: Port<Shape>,
  name: string,
  get: () => Shape,
  request: unknown,
  options: CallOptions = {},
  logger: ErrorLogger,
): Promise<unknown> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const interrupted = Promise.withResolvers<never>();
  const interrupt = (reason: unknown): void => {
    controller.abort(reason);
    interrupted.reject(reason);
  };
  const onAbort = (): void => interrupt(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => interrupt(deadlineError(port.name, timeoutMs)), timeoutMs);
  try {
    const answer = implementedMethod(port, name, get())(request, { signal: controller.signal }) as Promise<unknown>;
    return await Promise.race([answer, interrupted.promise]);
  } catch (error) {
    if (controller.signal.aborted) throw error;
    throw maskError(error, `${port.name}/${name}`, logger);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

async function* callServerStream<Shape>(
  port: Port<Shape>,
  name: string,
  get: () => Shape,
  request: unknown,
  options: CallOptions = {},
  logger: ErrorLogger,
): AsyncGenerator<unknown, void, undefined> {
  const { signal } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const source = implementedMethod(port, name, get())(request, { signal: controller.signal }) as AsyncIterable<unknown>;
    yield* iterateUntilAborted(source, controller.signal);
  } catch (error) {
    if (controller.signal.aborted) throw error;
    throw maskError(error, `${port.name}/${name}`, logger);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    controller.abort(new Error('The stream was left'));
  }
}
