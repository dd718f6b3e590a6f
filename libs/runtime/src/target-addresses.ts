import type { ConfigProblem, Environment } from '@switchyard/config';
import type { PlatformConfig } from './platform.config.js';
import type { Target } from './target.js';

/** One problem for each target that these need, that is not among them, and whose address nobody told. */
export function missingAddresses(targets: readonly Target[], environment: Environment): ConfigProblem[] {
  const present = new Set<string>(targets.map(({ name }) => name));
  const needed = new Map<string, string>();
  for (const target of targets) {
    for (const port of target.requires) needed.set(port.target, target.name);
    if (target.requiresAttempts === true) needed.set('worker', target.name);
  }
  return [...needed]
    .filter(([name]) => !present.has(name) && !/[^\s,]/.test(environment[addressVariable(name)] ?? ''))
    .map(([name, neededBy]) => missingAddress(name, neededBy));
}

export function missingAddress(target: string, neededBy: string): ConfigProblem {
  return {
    env: addressVariable(target),
    message: `is required: ${neededBy} needs the target ${target}, which does not run in this process`,
  };
}

function addressVariable(target: string): string {
  return `SWITCHYARD_${target.toUpperCase()}_ADDRESS`;
}

/** `host:port` of a target in other processes; none where it has none. */
export function addressOf(target: string, config: PlatformConfig): readonly string[] {
  const addresses: Readonly<Record<string, readonly string[]>> = {
    router: config.routerAddress,
    worker: config.workerAddress,
    billing: config.billingAddress,
    analytics: config.analyticsAddress,
  };
  return addresses[target] ?? [];
}
