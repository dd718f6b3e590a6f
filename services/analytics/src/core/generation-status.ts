import { events } from '@switchyard/proto';

export const GENERATION_STATUSES = ['completed', 'client_aborted', 'upstream_failed', 'gateway_failed'] as const;
export type GenerationStatus = (typeof GENERATION_STATUSES)[number];

const STATUS: Readonly<Record<events.GenerationEnd, GenerationStatus | undefined>> = {
  [events.GenerationEnd.UNSPECIFIED]: undefined,
  [events.GenerationEnd.COMPLETED]: 'completed',
  [events.GenerationEnd.CLIENT_ABORTED]: 'client_aborted',
  [events.GenerationEnd.UPSTREAM_FAILED]: 'upstream_failed',
  [events.GenerationEnd.GATEWAY_FAILED]: 'gateway_failed',
  [events.GenerationEnd.UNRECOGNIZED]: undefined,
};

/** @throws TypeError for an event without one of the four ends */
export function statusOf(generation: events.GenerationCompleted): GenerationStatus {
  const status = STATUS[generation.end];
  if (!status) throw new TypeError('A completed generation names one of the four ends.');
  return status;
}
