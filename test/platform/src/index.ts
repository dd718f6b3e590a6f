export * from './customer.js';
export * from './fixture.js';
export * from './http-client.js';
export * from './monitoring-files.js';
export * from './prometheus.js';
export * from './start-platform.js';
export * from './steady-load.js';
export * from './test-catalog.js';
