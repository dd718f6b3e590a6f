export { FAULT_KINDS, faultSchema, type Fault, type FaultKind, type FaultPlan } from './fault-plan.js';
export { startSimulatedProvider, type SimulatedProvider, type SimulatedProviderOptions } from './simulated-provider.js';
export { simulatorCatalog, startSimulators, type RunningSimulators, type SimulatorOptions } from './start-simulators.js';
