import { renderReference, type ConfigSection } from '@switchyard/config';
import { platformConfig, type TargetName } from '@switchyard/runtime';
import { tracingConfig } from '@switchyard/telemetry';
import { commandConfig } from './commands/command.config.js';
import { quickstartConfig } from './quickstart/quickstart.config.js';
import { ALL_TARGETS, loadTargets } from './targets.js';

/** The settings of every process, of these targets, of the quick start and of commands. */
export async function configSections(names: readonly TargetName[] = ALL_TARGETS): Promise<ConfigSection[]> {
  const targets = await loadTargets(names);
  return [
    { title: 'Every process', definition: platformConfig },
    { title: 'Tracing', definition: tracingConfig },
    ...targets.map((target) => ({ title: `Target ${target.name}`, definition: target.config })),
    { title: 'Quick start', definition: quickstartConfig },
    { title: 'Commands', definition: commandConfig },
  ];
}

/** The page `docs/reference/configuration.md`. */
export async function configurationReference(): Promise<string> {
  return renderReference(await configSections());
}
