import { renderReference, unknownVariables, type ConfigDefinition, type ConfigSection, type Environment } from '@switchyard/config';
import { platformConfig, type TargetName } from '@switchyard/runtime';
import { tracingConfig } from '@switchyard/telemetry';
import { commandConfig } from './commands/command.config.js';
import { quickstartConfig } from './quickstart/quickstart.config.js';
import { ALL_TARGETS } from './targets.js';

/** Each target's settings, without the rest of its code. */
const TARGET_CONFIGS: Readonly<Record<TargetName, () => Promise<ConfigDefinition<object>>>> = {
  worker: async () => (await import('@switchyard/worker/worker.config')).workerConfig,
  billing: async () => (await import('@switchyard/billing/billing.config')).billingConfig,
  analytics: async () => (await import('@switchyard/analytics/analytics.config')).analyticsConfig,
  router: async () => (await import('@switchyard/router/router.config')).routerConfig,
  ingress: async () => (await import('@switchyard/ingress/ingress.config')).ingressConfig,
};
/** What the worker reads for providers that only the operator's catalogue knows: of these names there is no list. */
const CREDENTIAL_PREFIX = 'SWITCHYARD_CREDENTIAL_';

/** The settings of every process, of these targets, of the quick start and of commands. */
export async function configSections(names: readonly TargetName[] = ALL_TARGETS): Promise<ConfigSection[]> {
  const targets = await Promise.all(names.map(async (name) => ({ title: `Target ${name}`, definition: await TARGET_CONFIGS[name]() })));
  return [
    { title: 'Every process', definition: platformConfig },
    { title: 'Tracing', definition: tracingConfig },
    ...targets,
    { title: 'Quick start', definition: quickstartConfig },
    { title: 'Commands', definition: commandConfig },
  ];
}

/** Variables of ours that no target and no command reads: most often a typing mistake. */
export async function unreadVariables(environment?: Environment): Promise<string[]> {
  const definitions = (await configSections()).map(({ definition }) => definition);
  return unknownVariables(definitions, environment).filter((name) => !name.startsWith(CREDENTIAL_PREFIX));
}

/** The page `docs/reference/configuration.md`. */
export async function configurationReference(): Promise<string> {
  return renderReference(await configSections());
}
