export * from './dialect-manifest.js';
export * from './exchange.js';
export * from './provider-dialect.js';
