export { FAULT_KINDS, faultSchema, type Fault, type FaultKind, type FaultPlan } from './fault-plan.js';
export { startSimulatedProvider, type SimulatedProvider, type SimulatedProviderOptions } from './simulated-provider.js';
export { startSimulators, type RunningSimulators } from './start-simulators.js';
