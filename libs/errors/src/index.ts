export * from './error-table.js';
export * from './switchyard-error.js';
