import { SwitchyardError } from '@switchyard/errors';
import type { Port } from '@switchyard/proto';

/** Every implementation gets a signal that aborts when its caller is gone. */
export type ImplementedMethod = (request: unknown, options: { readonly signal: AbortSignal }) => unknown;

/** One method of an implementation, bound to it. @throws SwitchyardError `not_implemented` when it lacks it. */
export function implementedMethod<Shape>(port: Port<Shape>, name: string, implementation: Shape): ImplementedMethod {
  const method = (implementation as Record<string, unknown>)[name];
  if (typeof method !== 'function') throw new SwitchyardError('not_implemented', `${port.name} does not implement ${name}`);
  return (request, options) => (method as ImplementedMethod).call(implementation, request, options);
}
