export { openTls } from './connection-settings.js';
export * from './make-folder.js';
export * from './platform-resources.js';
export * from './platform.config.js';
export * from './run-targets.js';
export * from './run-until-signal.js';
export * from './system-ports.js';
export * from './target.js';
export { TLS_METRICS } from './tls-metrics.js';
