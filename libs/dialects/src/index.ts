export * from './client-dialect.js';
export * from './dialect-manifest.js';
