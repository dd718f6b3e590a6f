export * from './sessions/attempt-transport.js';
