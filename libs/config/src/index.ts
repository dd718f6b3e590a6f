export * from './define-config.js';
export * from './field-schemas.js';
export * from './load-config.js';
export * from './render-config.js';
export * from './renewed-file.js';
