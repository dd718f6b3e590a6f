import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';

/**
 * A service that handles raw grpc-js calls (bidirectional streams have no place in a port). It is added to the same server
 * that serves the process's ports.
 */
export interface NativeGrpcService {
  /** Generated definition, for example `worker.WorkerServiceService`. */
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}
