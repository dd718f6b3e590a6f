import type { Target, TargetName } from '@switchyard/runtime';

/** Every target of the program, one line each. They are loaded on demand, so a process holds only the code it runs. */
const TARGETS: Readonly<Record<TargetName, () => Promise<Target>>> = {
  worker: async () => (await import('@switchyard/worker/worker.target')).workerTarget,
  billing: async () => (await import('@switchyard/billing/billing.target')).billingTarget,
  analytics: async () => (await import('@switchyard/analytics/analytics.target')).analyticsTarget,
  router: async () => (await import('@switchyard/router/router.target')).routerTarget,
  ingress: async () => (await import('@switchyard/ingress/ingress.target')).ingressTarget,
};

export const ALL_TARGETS = Object.keys(TARGETS) as readonly TargetName[];

export function loadTargets(names: readonly TargetName[]): Promise<Target[]> {
  return Promise.all(names.map((name) => TARGETS[name]()));
}

/**
 * Names out of `all` or `router,billing`.
 * @throws UsageError when one is unknown.
 */
export function parseTargetNames(text: string): TargetName[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('all')) return [...ALL_TARGETS];
  const unknown = names.find((name) => !Object.hasOwn(TARGETS, name));
  if (unknown !== undefined) throw new UsageError(`There is no target "${unknown}"; targets are ${ALL_TARGETS.join(', ')} and all.`);
  return [...new Set(names)] as TargetName[];
}

/** The command line is wrong: told in one sentence, exit code 2. */
export class UsageError extends Error {}
