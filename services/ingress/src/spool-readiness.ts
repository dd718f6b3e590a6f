import type { SpoolState } from '@switchyard/events';
import type { ReadinessState } from '@switchyard/runtime';

/** From here on somebody should look: the event log takes less than is written. */
const DEGRADED_SHARE = 0.8;

/** Without room, or on a disk that refuses, new paid requests are turned away, so other ingresses shall get them. */
export function spoolReadiness({ usedShare, isFull, isWritable }: Pick<SpoolState, 'usedShare' | 'isFull' | 'isWritable'>): ReadinessState {
  if (isFull || !isWritable) return { ready: false, detail: isFull ? 'full' : 'not writable' };
  return usedShare >= DEGRADED_SHARE ? { ready: true, degraded: true, detail: `${Math.round(usedShare * 100)} % used` } : { ready: true };
}
