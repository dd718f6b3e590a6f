export * from './target.js';
export * from './target-schema.js';
