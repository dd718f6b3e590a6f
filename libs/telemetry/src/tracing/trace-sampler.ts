import type { TraceContext } from '../traceparent.js';

export const SAMPLER_NAMES = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];

/** Whether a request is recorded, decided at its beginning. `chance`: uniform in [0, 1), of its trace id. */
export interface TraceSampler {
  isSampled(parent: TraceContext | undefined, chance: number): boolean;
}

/** OpenTelemetry's standard samplers. A higher chance is taken first, so that every service that asks the same id for the same share agrees. */
export function createTraceSampler(name: SamplerName, ratio: number): TraceSampler {
  const isParentBased = name.startsWith('parentbased_');
  const share = name.endsWith('always_on') ? 1 : name.endsWith('always_off') ? 0 : ratio;
  const threshold = 1 - share;
  return {
    isSampled: (parent, chance) => (isParentBased && parent !== undefined ? parent.isSampled : share > 0 && chance >= threshold),
  };
}
