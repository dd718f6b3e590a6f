export * from './dead-letter.js';
export * from './event-codec.js';
export * from './event-log.js';
export { EVENT_LOG_SCHEMA } from './postgres/event-log.schema.js';
export * from './postgres/postgres-event-log.js';
export { openSpool } from './spool/open-spool.js';
export * from './spool/spool-record.js';
export * from './spool/spool.js';
export * from './topics.js';
