import { seconds } from './action.js';
import type { RunReport } from './run-cluster.js';

const SHOWN = 30;

/** Whether everything held. */
export function holds({ actions, cutStreams, ledgerDifferences }: RunReport): boolean {
  return cutStreams.length === 0 && ledgerDifferences.length === 0 && actions.every(({ failed }) => !failed);
}

/** A run's figures and findings, for people. */
export function clusterTable(report: RunReport): string {
  const { actions, outcomes, cutStreams, ledgerDifferences, drainsMs } = report;
  return [
    '',
    ...actions.map(({ name, kind, tookMs, failed }) => `${failed ? 'FAILED' : 'ok    '} ${kind.padEnd(9)} ${name.padEnd(18)} ${seconds(tookMs).padStart(6)}`),
    '',
    `helm install              ${seconds(report.installedMs)}`,
    `to the first billed answer ${seconds(report.firstBilledMs)}`,
    `longest drains            ${Object.entries(drainsMs)
      .map(([component, ms]) => `${component} ${seconds(ms)}`)
      .join(', ')}`,
    `streams                   ${Object.entries(outcomes)
      .map(([outcome, count]) => `${count} ${outcome}`)
      .join(', ')}`,
    `booked generations        ${report.bookedCount}; ledger verify read ${report.verifiedTransactions} transactions`,
    `cut by planned actions    ${cutStreams.length}`,
    `ledger differences        ${ledgerDifferences.length}`,
    ...[...cutStreams, ...ledgerDifferences].slice(0, SHOWN).map((finding) => `BROKEN: ${finding}`),
    holds(report) ? 'Everything held.' : 'Not everything held.',
  ].join('\n');
}
