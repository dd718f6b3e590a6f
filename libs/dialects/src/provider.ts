export * from './create-exchange.js';
export * from './dialect-manifest.js';
export * from './exchange.js';
export { registeredMediaType } from './media.js';
export * from './provider-dialect.js';
export * from './provider-registry.js';
