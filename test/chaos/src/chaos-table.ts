import type { ChaosReport } from './run-chaos.js';

const SHOWN_FINDINGS = 40;

/** What a run did and found, for people. */
export function chaosTable(report: ChaosReport, seed: number): string {
  const { books, actions, outcomes, findings } = report;
  const flagged = books.generations.filter((generation) => generation.flags.includes('delivery_unconfirmed'));
  const charged = books.generations.filter((generation) => generation.chargePico > 0n);
  return [
    '',
    'process     killed   held   stopped',
    ...Object.entries(actions).map(([kind, { killed, held, stopped }]) => `${kind.padEnd(10)} ${column(killed, 7)}${column(held, 7)}${column(stopped, 10)}`),
    `links harmed: ${report.harmedLinkCount}; rounds: ${report.roundCount}; slowest recovery: ${(report.slowestRecoveryMs / 1000).toFixed(1)} s`,
    '',
    'what clients saw',
    ...Object.entries(outcomes).map(([outcome, count]) => `  ${outcome.padEnd(12)} ${column(count, 8)}`),
    '',
    'what was booked',
    `  generations  ${column(books.generations.length, 8)}   charged ${charged.length}, delivery_unconfirmed ${flagged.length}`,
    `  attempts     ${column(books.attemptCount, 8)}   requests at the providers ${report.upstreamRequestCount}`,
    `  leases       ${Object.entries(books.resolutions)
      .map(([resolution, count]) => `${resolution} ${count}`)
      .join(', ')}`,
    `  ledger       ${report.ledgerVerification}`,
    '',
    ...findings.slice(0, SHOWN_FINDINGS).map(({ rule, subject, detail }) => `BROKEN: ${rule}: ${subject}${detail === '' ? '' : `: ${detail.slice(0, 400)}`}`),
    ...(findings.length > SHOWN_FINDINGS ? [`and ${findings.length - SHOWN_FINDINGS} more`] : []),
    findings.length === 0 ? `Every promise was kept (--seed=${seed}).` : `${findings.length} findings; repeat with --seed=${seed}.`,
  ].join('\n');
}

function column(count: number, width: number): string {
  return String(count).padStart(width);
}
