import 'reflect-metadata';
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { Module, type DynamicModule, type INestMicroservice, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ServerGrpc } from '@nestjs/microservices';
import type { Port } from '@switchyard/proto';
import type { Tracer } from '@switchyard/telemetry';
import { SERVER_OPTIONS } from './channel-options.js';
import type { ErrorLogger } from './error-mapping.js';
import type { NativeGrpcService } from './native-grpc-service.js';
import { createPortController, PORT_ERROR_LOGGER } from './port-controller.js';
import type { TlsIdentity } from './tls-identity.js';

/** A port and what serves it. */
export interface ServedPort {
  readonly port: Port<unknown>;
  readonly implementation: object;
  /** Of the target that it belongs to; undefined where nothing is traced. */
  readonly tracer?: Tracer | undefined;
}

export interface PortServerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  readonly ports: readonly ServedPort[];
  /** Services that handle raw calls, such as the worker's sessions. */
  readonly nativeHandlers: readonly NativeGrpcService[];
  readonly logger: ErrorLogger;
  readonly nestLogger: LoggerService | false;
  /** Plain text when absent. */
  readonly tls?: TlsIdentity | undefined;
}

export interface PortServer {
  /** `host:port` it listens on. */
  readonly address: string;
  /** Takes no new calls, lets running ones end, cuts them after the time. */
  close(graceMs: number): Promise<void>;
}

/** One Nest gRPC microservice that serves all ports of a process. */
export async function startPortServer(options: PortServerOptions): Promise<PortServer> {
  const strategy = new ListeningServerGrpc(options, packageDefinition(options.ports));
  const application: INestMicroservice = await NestFactory.createMicroservice(PortServerModule.register(options), {
    strategy,
    logger: options.nestLogger,
    abortOnError: false,
  });
  await application.listen();
  return {
    address: strategy.boundAddress,
    close: async (graceMs) => {
      const cut = Promise.withResolvers<void>();
      const timer = setTimeout(() => {
        strategy.forceShutdown();
        // Connections that never became a session, of a port scanner or in the middle of their handshake, would be waited for without end.
        cut.resolve();
      }, graceMs);
      await Promise.race([application.close(), cut.promise]).finally(() => clearTimeout(timer));
    },
  };
}

@Module({})
class PortServerModule {
  static register(options: PortServerOptions): DynamicModule {
    return {
      module: PortServerModule,
      controllers: options.ports.map(({ port, tracer }) => createPortController(port, tracer)),
      providers: [
        { provide: PORT_ERROR_LOGGER, useValue: options.logger },
        ...options.ports.map(({ port, implementation }) => ({ provide: port.token, useValue: implementation })),
      ],
    };
  }
}

/** Service definitions by full name. */
type PackageDefinition = Readonly<Record<string, ServiceDefinition>>;

/** Nest's server, with the port it got, and with services that Nest does not know. */
class ListeningServerGrpc extends ServerGrpc {
  boundAddress = '';
  private server: Server | undefined;

  constructor(
    private readonly served: PortServerOptions,
    definition: PackageDefinition,
  ) {
    super({ url: served.address, package: packageNames(definition), packageDefinition: definition, gracefulShutdown: true });
  }

  override async createClient(): Promise<Server> {
    const { address, nativeHandlers, tls } = this.served;
    const server = new Server(SERVER_OPTIONS);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, tls?.serverCredentials ?? ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    this.boundAddress = `${address.slice(0, address.lastIndexOf(':'))}:${port}`;
    for (const { definition, implementation } of nativeHandlers) server.addService(definition, implementation);
    this.server = server;
    return server;
  }

  forceShutdown(): void {
    this.server?.forceShutdown();
  }
}

/** Generated definitions by full service name, their methods in the PascalCase of the protocol, as proto-loader would give them. */
function packageDefinition(ports: readonly ServedPort[]): PackageDefinition {
  const services: Record<string, ServiceDefinition> = {};
  for (const { port } of ports) {
    const methods: Record<string, ServiceDefinition[string]> = {};
    let service = '';
    for (const method of Object.values(port.definition)) {
      const [, serviceName = '', rpc = ''] = method.path.split('/');
      service = serviceName;
      methods[rpc] = method as ServiceDefinition[string];
    }
    services[service] = methods;
  }
  return services;
}

function packageNames(definition: PackageDefinition): string[] {
  return [...new Set(Object.keys(definition).map((service) => service.slice(0, service.lastIndexOf('.'))))];
}
