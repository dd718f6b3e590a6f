import type { Metrics } from '@switchyard/telemetry';
import type { Spool } from './spool.js';

/** What operators watch of a spool; alerts fire on the share, which degrades readiness from 0.8 on. */
export function registerSpoolMetrics(metrics: Metrics, spool: Pick<Spool, 'state'>, target: string): void {
  const gauge = (name: string, help: string) => metrics.gauge({ name, help, labelNames: ['target'] }).labels({ target });
  const used = gauge('switchyard_spool_used_ratio', 'Part of the bound of the spool, in bytes or age, that is in use.');
  const bytes = gauge('switchyard_spool_bytes', 'Bytes in the spool.');
  const unpublished = gauge('switchyard_spool_unpublished_records', 'Events in the spool that the event log has not acknowledged.');
  const age = gauge('switchyard_spool_oldest_age_seconds', 'Since when nothing could be published although something waits.');
  const writable = gauge('switchyard_spool_writable', '1 while the disk takes the spool.');
  const tornTails = metrics
    .counter({ name: 'switchyard_spool_torn_tails_total', help: 'Torn ends of segments that were cut.', labelNames: ['target'] })
    .labels({ target });
  let countedTornTails = 0;
  metrics.onScrape(() => {
    const state = spool.state();
    used.set(state.usedShare);
    bytes.set(state.usedBytes);
    unpublished.set(state.unpublishedCount);
    age.set(state.oldestUnpublishedAgeMs / 1_000);
    writable.set(state.isWritable ? 1 : 0);
    tornTails.increment(state.tornTailCount - countedTornTails);
    countedTornTails = state.tornTailCount;
  });
}
