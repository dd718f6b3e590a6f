import type { Environment } from '@switchyard/config';
import { PROVIDER_MANIFESTS } from '@switchyard/providers';
import type { TargetName } from '@switchyard/runtime';

const OPERATOR_CREDENTIAL_PREFIX = 'SWITCHYARD_CREDENTIAL_';
const CREDENTIAL_VARIABLES: ReadonlySet<string> = new Set(PROVIDER_MANIFESTS.flatMap(({ credentialVariables }) => credentialVariables));

/** What a service gets of this process's variables: providers' credentials are the worker's alone. */
export function serviceEnvironment(target: TargetName, environment: Environment): Environment {
  if (target === 'worker') return environment;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !CREDENTIAL_VARIABLES.has(name) && !name.startsWith(OPERATOR_CREDENTIAL_PREFIX)));
}

/** The quick start's own defaults where nothing is set; an empty variable counts as unset. */
export function withDefaults(environment: Environment, defaults: Readonly<Record<string, string>>): Environment {
  return { ...environment, ...Object.fromEntries(Object.entries(defaults).filter(([name]) => (environment[name] ?? '').trim() === '')) };
}
