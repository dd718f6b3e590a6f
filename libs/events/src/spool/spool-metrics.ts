import { counterDefinition, gaugeDefinition, type MetricDefinition, type MetricOptions, type Metrics } from '@switchyard/telemetry';
import type { Spool } from './spool.js';

const labelNames = ['spool'];

const USED = gaugeDefinition({
  name: 'switchyard_spool_used_ratio',
  help: 'Part of the bound of the spool, in bytes or age, that is in use; readiness degrades from 0.8 on.',
  unit: 'ratio',
  labelNames,
});
const BYTES = gaugeDefinition({ name: 'switchyard_spool_bytes', help: 'Bytes in the spool.', unit: 'bytes', labelNames });
const UNPUBLISHED = gaugeDefinition({
  name: 'switchyard_spool_unpublished_records',
  help: 'Events in the spool that the event log has not acknowledged.',
  labelNames,
});
const AGE = gaugeDefinition({
  name: 'switchyard_spool_oldest_age_seconds',
  help: 'Since when nothing could be published although something waits, or something left by an earlier process could not be read.',
  unit: 'seconds',
  labelNames,
});
const WRITABLE = gaugeDefinition({ name: 'switchyard_spool_writable', help: '1 while the disk takes the spool.', labelNames });
const TORN_TAILS = counterDefinition({ name: 'switchyard_spool_torn_tails_total', help: 'Torn ends of segments that were cut.', labelNames });
const WRITES = counterDefinition({ name: 'switchyard_spool_writes_total', help: 'System calls that wrote records.', labelNames });
const SYNCS = counterDefinition({ name: 'switchyard_spool_syncs_total', help: 'Calls that brought written records to the disk.', labelNames });

export const SPOOL_METRICS: readonly MetricDefinition[] = [USED, BYTES, UNPUBLISHED, AGE, WRITABLE, TORN_TAILS, WRITES, SYNCS];

/** What operators watch of a spool. */
export function registerSpoolMetrics(metrics: Metrics, spool: Pick<Spool, 'state'>, target: string): void {
  const gauge = (options: MetricOptions) => metrics.gauge(options).labels({ spool: target });
  const counter = (options: MetricOptions) => metrics.counter(options).labels({ spool: target });
  const used = gauge(USED);
  const bytes = gauge(BYTES);
  const unpublished = gauge(UNPUBLISHED);
  const age = gauge(AGE);
  const writable = gauge(WRITABLE);
  const tornTails = counter(TORN_TAILS);
  const writes = counter(WRITES);
  const syncs = counter(SYNCS);
  metrics.onScrape(() => {
    const state = spool.state();
    used.set(state.usedShare);
    bytes.set(state.usedBytes);
    unpublished.set(state.unpublishedCount);
    age.set(state.oldestUnpublishedAgeMs / 1_000);
    writable.set(state.isWritable ? 1 : 0);
    tornTails.raiseTo(state.tornTailCount);
    writes.raiseTo(state.writeCount);
    syncs.raiseTo(state.syncCount);
  });
}
