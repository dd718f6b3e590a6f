export * from './client-dialect.js';
export * from './client-registry.js';
export * from './dialect-manifest.js';
