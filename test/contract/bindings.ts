import { afterAll, beforeAll, describe } from '@jest/globals';
import { createLocalPort, createPortClient, startPortServer } from '@switchyard/grpc';
import type { CallOptions, Port } from '@switchyard/proto';
import { captureLogger, type CaptureLogger } from '@switchyard/testing';

/** A way for a caller to reach what serves a port, as libs/runtime makes it. */
interface Binding {
  readonly name: 'in process' | 'over gRPC';
  bind<Shape>(port: Port<Shape>, implementation: Shape, logger: CaptureLogger): Promise<{ readonly port: Shape; close(): Promise<void> }>;
}

export const BINDINGS: readonly Binding[] = [
  {
    name: 'in process',
    bind: (port, implementation, logger) => Promise.resolve({ port: createLocalPort(port, () => implementation, logger), close: () => Promise.resolve() }),
  },
  {
    name: 'over gRPC',
    bind: async (port, implementation, logger) => {
      const ports = [{ port, implementation: implementation as object }];
      const server = await startPortServer({ address: '127.0.0.1:0', ports, nativeHandlers: [], logger, nestLogger: false });
      const client = createPortClient(port, server.address);
      return {
        port: client.port,
        close: async () => {
          client.close();
          await server.close(1_000);
        },
      };
    },
  },
];

/** A port as one binding shows it to a caller. */
export interface BoundPort<Shape> {
  readonly binding: Binding['name'];
  readonly port: Shape;
  /** What the binding logged, masked errors above all. */
  readonly logger: CaptureLogger;
  /** Calls and streams that the implementation has begun and not ended. */
  openCalls(): number;
}

/** One suite for both bindings of a port: they must not differ in anything that a caller can see. */
export function describePort<Shape>(port: Port<Shape>, implementation: () => Shape, suite: (bound: BoundPort<Shape>) => void): void {
  describe.each(BINDINGS)(`${port.name} $name`, ({ name, bind }) => {
    const logger = captureLogger();
    let openCallCount = 0;
    let bound: Awaited<ReturnType<typeof bind<Shape>>>;

    beforeAll(async () => {
      bound = await bind(
        port,
        countingCalls(port, implementation(), (change) => (openCallCount += change)),
        logger,
      );
    });
    afterAll(() => bound.close());

    suite({ binding: name, port: forwardingTo(port, () => bound.port), logger, openCalls: () => openCallCount });
  });
}

type Method = (request: unknown, options?: CallOptions) => unknown;

/** The port before it is bound: suites may take it apart while they are declared. */
function forwardingTo<Shape>(port: Port<Shape>, target: () => Shape): Shape {
  const forward = (name: string): Method => {
    return (request, options) => methodOf(target(), name)(request, options);
  };
  return Object.fromEntries(Object.keys(port.definition).map((name) => [name, forward(name)])) as Shape;
}

function countingCalls<Shape>(port: Port<Shape>, implementation: Shape, count: (change: 1 | -1) => void): Shape {
  async function* stream(name: string, request: unknown, options?: CallOptions): AsyncGenerator<unknown, void, undefined> {
    count(1);
    try {
      yield* methodOf(implementation, name)(request, options) as AsyncIterable<unknown>;
    } finally {
      count(-1);
    }
  }
  async function unary(name: string, request: unknown, options?: CallOptions): Promise<unknown> {
    count(1);
    try {
      return await methodOf(implementation, name)(request, options);
    } finally {
      count(-1);
    }
  }
  const methods = Object.entries(port.definition).map(([name, { responseStream }]): [string, Method] => [
    name,
    (request, options) => (responseStream ? stream(name, request, options) : unary(name, request, options)),
  ]);
  return Object.fromEntries(methods) as Shape;
}

function methodOf(implementation: unknown, name: string): Method {
  const method = (implementation as Readonly<Record<string, Method | undefined>>)[name];
  if (!method) throw new Error(`There is no method ${name}.`);
  return (request, options) => method.call(implementation, request, options);
}
