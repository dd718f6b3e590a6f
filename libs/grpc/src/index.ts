export * from './sessions/attempt-transport.js';
export * from './native-grpc-service.js';
export * from './port-client.js';
export * from './sessions/session-options.js';
export * from './sessions/session-server.js';
export * from './sessions/session-pool.js';
