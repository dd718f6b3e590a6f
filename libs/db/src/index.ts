export * from './batch-insert.js';
export * from './migration.js';
export * from './pool.js';
export * from './run-migrations.js';
export * from './transaction.js';
