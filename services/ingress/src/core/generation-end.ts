import type { PublicGeneration } from '@switchyard/api';
import { events } from '@switchyard/proto';

/** The four ends of a generation, as the API, metrics and spans name them. */
export const END_NAMES: Readonly<Record<events.GenerationEnd, PublicGeneration['status'] | undefined>> = {
  [events.GenerationEnd.UNSPECIFIED]: undefined,
  [events.GenerationEnd.COMPLETED]: 'completed',
  [events.GenerationEnd.CLIENT_ABORTED]: 'client_aborted',
  [events.GenerationEnd.UPSTREAM_FAILED]: 'upstream_failed',
  [events.GenerationEnd.GATEWAY_FAILED]: 'gateway_failed',
  [events.GenerationEnd.UNRECOGNIZED]: undefined,
};
