export * from './log-fields.js';
export * from './logger.js';
export * from './metrics.js';
export * from './pino-logger.js';
export * from './process-metrics.js';
export * from './prometheus-metrics.js';
export * from './safe-log-fields.js';
export * from './traceparent.js';
