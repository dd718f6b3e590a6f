export * from './circuit-breaker.js';
export { DEFAULT_DEADLINES } from './deadlines.js';
export * from './decide.js';
export { PARAMETER_VOCABULARY } from './endpoint-filters.js';
export * from './model-resolution.js';
export * from './routing-plan.js';
export * from './routing-request.js';
export * from './routing-table.js';
export * from './table-records.js';
