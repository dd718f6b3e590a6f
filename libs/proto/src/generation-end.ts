import { GenerationEnd } from './gen/switchyard/events/v1/events.js';

/** The four ends of a generation, as the API, records, metrics and spans name them. */
export const GENERATION_ENDS = ['completed', 'client_aborted', 'upstream_failed', 'gateway_failed'] as const;
export type GenerationEndName = (typeof GENERATION_ENDS)[number];

export const NAME_OF_END: Readonly<Record<GenerationEnd, GenerationEndName | undefined>> = {
  [GenerationEnd.UNSPECIFIED]: undefined,
  [GenerationEnd.COMPLETED]: 'completed',
  [GenerationEnd.CLIENT_ABORTED]: 'client_aborted',
  [GenerationEnd.UPSTREAM_FAILED]: 'upstream_failed',
  [GenerationEnd.GATEWAY_FAILED]: 'gateway_failed',
  [GenerationEnd.UNRECOGNIZED]: undefined,
};
