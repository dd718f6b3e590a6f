import { measureSetUp, type Timing } from './measure-set-up.js';
import type { SetUp, Upstream } from './set-up.js';

const ROUNDS = 5;
/** Before each turn but the first: until connections are open, and the other set-up's books are kept. */
const SETTLE_SECONDS = 1;

/** Of all turns of one set-up together. */
export interface TurnFigures {
  readonly requests: number;
  readonly failed: number;
  readonly requestsPerSecond: number;
  readonly cpuMicros: number;
  readonly failures: readonly string[];
}

/**
 * The same short burst at two set-ups that run beside each other, now at one and now at the other. Minutes of one machine differ by a third on
 * some days: only what was measured within the same ones can be compared to a few per cent.
 */
export async function measureInTurns(
  setUps: readonly [SetUp, SetUp],
  upstream: Upstream,
  { warmUpSeconds, seconds }: Timing,
): Promise<readonly [TurnFigures, TurnFigures]> {
  const all: readonly [TurnFigures[], TurnFigures[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    for (const index of [0, 1] as const) {
      const timing = { seconds, warmUpSeconds: round === 0 ? warmUpSeconds : SETTLE_SECONDS };
      const { at32, failures } = await measureSetUp(setUps[index], upstream, timing, false);
      all[index].push({ ...at32, failures });
    }
  }
  return [together(all[0]), together(all[1])];
}

function together(turns: readonly TurnFigures[]): TurnFigures {
  const sum = (pick: (turn: TurnFigures) => number) => turns.reduce((total, turn) => total + pick(turn), 0);
  const requests = sum((turn) => turn.requests);
  return {
    requests,
    failed: sum((turn) => turn.failed),
    requestsPerSecond: requests / sum((turn) => turn.requests / turn.requestsPerSecond),
    cpuMicros: sum((turn) => turn.cpuMicros * turn.requests) / requests,
    failures: turns.flatMap((turn) => turn.failures),
  };
}
