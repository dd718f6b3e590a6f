import { parseArgs } from 'node:util';
import { chaosTable } from './chaos-table.js';
import { LONG_RUN } from './presets.js';
import { runChaos } from './run-chaos.js';

/** `npm run chaos -- [--minutes=N] [--seed=N] [--rounds=N] [--keep]`: see docs/guides/chaos.md. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { minutes: { type: 'string' }, seed: { type: 'string' }, rounds: { type: 'string' }, keep: { type: 'boolean' } },
  });
  const minutes = Number(values.minutes ?? process.env['CHAOS_MINUTES'] ?? 30);
  const seed = Number(values.seed ?? process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 1_000_000));
  console.log(`Chaos for ${minutes} minutes with --seed=${seed}`);
  const report = await runChaos({
    ...LONG_RUN,
    seed,
    forMs: minutes * 60_000,
    ...(values.rounds === undefined ? {} : { maxRounds: Number(values.rounds) }),
    keepsFolder: values.keep ?? false,
    say: (text) => console.log(text),
  });
  console.log(chaosTable(report, seed));
  return report.findings.length === 0 ? 0 : 1;
}

// Connections to what was killed may linger.
process.exit(await main());
