export * from './capture-logger.js';
export * from './eventually.js';
export * from './free-ports.js';
export * from './recorded-answers.js';
export * from './recording-event-log.js';
export * from './test-kafka.js';
export * from './test-postgres.js';
export * from './time-and-chance.js';
