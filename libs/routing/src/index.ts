export * from './circuit-breaker.js';
export * from './decide.js';
export * from './routing-plan.js';
export * from './routing-request.js';
export * from './routing-table.js';
export * from './table-records.js';
