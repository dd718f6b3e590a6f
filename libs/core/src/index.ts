export { BriefMap } from './brief-map.js';
export * from './canonical/index.js';
export * from './clock.js';
export * from './ids.js';
export * from './limit-window.js';
export * from './model-id.js';
export * from './money.js';
export * from './price-schedule.js';
export * from './usage.js';
