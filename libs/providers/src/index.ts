export * from './provider-manifest.js';
export * from './registry.js';
