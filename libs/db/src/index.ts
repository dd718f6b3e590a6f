export * from './batch-insert.js';
export { binaryArray, type BinaryElementType } from './binary-array.js';
export { isCluster, placePostgresData, type PostgresData } from './embedded-postgres/postgres-data.js';
export { findPostgresProgram, type PostgresProgram } from './embedded-postgres/postgres-program.js';
export { temporaryFolder } from './embedded-postgres/surroundings.js';
export * from './migration.js';
export * from './pool.js';
export * from './run-migrations.js';
export * from './transaction.js';
