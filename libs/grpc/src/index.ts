export * from './sessions/attempt-transport.js';
export * from './native-grpc-service.js';
export * from './port-client.js';
