export * as analytics from './gen/switchyard/analytics/v1/analytics.js';
export * as billing from './gen/switchyard/billing/v1/billing.js';
export * as common from './gen/switchyard/common/v1/common.js';
export * as events from './gen/switchyard/events/v1/events.js';
export * as router from './gen/switchyard/router/v1/router.js';
export * as worker from './gen/switchyard/worker/v1/worker.js';
export * from './error-detail.js';
export * from './port.js';
export * from './ports.js';
