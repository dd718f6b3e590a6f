import { describe, expect, it } from '@jest/globals';
import { chaosTable } from './chaos-table.js';
import { LONG_RUN, SHORT_ROUNDS, SHORT_RUN } from './presets.js';
import { runChaos, type ChaosOptions } from './run-chaos.js';

const SEED = Number(process.env['CHAOS_SEED'] ?? 1);
const MINUTES = Number(process.env['CHAOS_MINUTES'] ?? 0);
const MINUTE_MS = 60_000;
const START_AND_SETTLE_MS = 10 * MINUTE_MS;

/** Fixed rounds of a minute; as long as CHAOS_MINUTES says, with rounds that the seed gives, where it is set. */
const OPTIONS: Omit<ChaosOptions, 'say'> =
  MINUTES > 0 ? { ...LONG_RUN, seed: SEED, forMs: MINUTES * MINUTE_MS } : { ...SHORT_RUN, seed: SEED, forMs: START_AND_SETTLE_MS, rounds: SHORT_ROUNDS };

describe('a platform of which every process is killed, held, stopped or cut off under load', () => {
  it(
    'charges what arrived, once; cuts no answer but those of a killed ingress; and recovers by itself',
    async () => {
      const lines: string[] = [];
      const report = await runChaos({ ...OPTIONS, say: (text) => lines.push(text) });
      console.log([...lines, chaosTable(report, SEED)].join('\n'));
      expect(report.findings).toEqual([]);
      expect(report.outcomes.whole).toBeGreaterThan(100);
      if (OPTIONS.rounds === undefined) return;
      expect(report.roundCount).toBe(SHORT_ROUNDS.length);
      for (const { killed, held, stopped } of Object.values(report.actions)) expect(killed + held + stopped).toBeGreaterThan(0);
    },
    MINUTES * MINUTE_MS + START_AND_SETTLE_MS,
  );
});
