import type { SpoolState } from '@switchyard/events';
import type { ReadinessCheck, ReadinessState } from '@switchyard/runtime';
import { spoolReadiness } from './spool-readiness.js';

/** Somebody else's service as the process has it: reached before, and reached now. */
interface Watched {
  readonly isLive: boolean;
  readonly hasBeenLive: boolean;
}

/** What readiness asks of the parts of an ingress. */
export interface ReadinessParts {
  readonly feed: { readonly hasTable: boolean; readonly isLive: boolean };
  readonly keys: Watched;
  readonly holder: Watched & { readonly isClockSkewed: boolean; readonly clockSkewMs: number };
  readonly spool: { state(): Pick<SpoolState, 'usedShare' | 'isFull' | 'isWritable'> };
}

/** Why an ingress should get no requests, or serves with less than all that it needs; `parts` is undefined until it has started. */
export function ingressReadiness(parts: () => ReadinessParts | undefined): ReadinessCheck[] {
  const check = (name: string, state: (running: ReadinessParts) => ReadinessState): ReadinessCheck => ({
    name,
    check: () => {
      const running = parts();
      return running ? state(running) : { ready: false, detail: 'starting' };
    },
  });
  return [
    check('routing-table', ({ feed }) =>
      feed.hasTable
        ? { ready: true, degraded: !feed.isLive, ...(feed.isLive ? {} : { detail: 'serving the last table' }) }
        : { ready: false, detail: 'no table yet' },
    ),
    check('keys', ({ keys }) => dependency(keys, 'stale: keys verified earlier are served')),
    check('billing', ({ holder }) => dependency(holder, 'serving from the leases held')),
    check('clock', ({ holder }) =>
      holder.isClockSkewed ? { ready: false, detail: `${Math.round(holder.clockSkewMs)} ms away from billing's clock` } : { ready: true },
    ),
    check('spool', ({ spool }) => spoolReadiness(spool.state())),
  ];
}

/** What was never reached cannot be served from; what was, can go on without for a while. */
function dependency(watched: Watched, withoutIt: string): ReadinessState {
  if (!watched.hasBeenLive) return { ready: false, detail: 'not reached yet' };
  return watched.isLive ? { ready: true } : { ready: true, degraded: true, detail: withoutIt };
}
