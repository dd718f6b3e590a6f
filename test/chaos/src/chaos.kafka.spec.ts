import { describe, expect, it } from '@jest/globals';
import { chaosTable } from './chaos-table.js';
import { SHORT_ROUNDS, SHORT_RUN } from './presets.js';
import { runChaos } from './run-chaos.js';

const SEED = Number(process.env['CHAOS_SEED'] ?? 1);
const LIMIT_MS = 300_000;

describe('a platform of which every process is killed, held, stopped or cut off under load', () => {
  it(
    'charges what arrived, once; cuts no answer but those of a killed ingress; and recovers by itself',
    async () => {
      const lines: string[] = [];
      const report = await runChaos({ ...SHORT_RUN, seed: SEED, forMs: LIMIT_MS, rounds: SHORT_ROUNDS, say: (text) => lines.push(text) });
      console.log([...lines, chaosTable(report, SEED)].join('\n'));
      expect(report.findings).toEqual([]);
      expect(report.roundCount).toBe(SHORT_ROUNDS.length);
      for (const { killed, held, stopped } of Object.values(report.actions)) expect(killed + held + stopped).toBeGreaterThan(0);
      expect(report.outcomes.whole).toBeGreaterThan(100);
    },
    LIMIT_MS,
  );
});
