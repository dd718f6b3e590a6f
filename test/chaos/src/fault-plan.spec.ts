import { describe, expect, it } from '@jest/globals';
import { LINKS, planRounds, PROCESS_KINDS, roundLengthMs, type PlannedFault, type Round } from './fault-plan.js';

const TIMES = { shortMs: 6_000, longMs: 24_000 };

function firstRounds(seed: number, count: number): Round[] {
  const rounds = planRounds({ seed, ...TIMES });
  return Array.from({ length: count }, () => rounds.next().value);
}

/** All faults until one deck is dealt: as many as each card's count says. */
function faultsOf(rounds: readonly Round[]): PlannedFault[] {
  return rounds.flatMap((round) => round.faults);
}

const subjectOf = (fault: PlannedFault) => (fault.action === 'harm' ? fault.link : fault.kind);

describe('the plan of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(firstRounds(7, 60)).toEqual(firstRounds(7, 60));
    expect(firstRounds(8, 60)).not.toEqual(firstRounds(7, 60));
  });

  it.each([1, 2, 3, 4, 5])('harms every kind of process and every link equally often (seed %i)', (seed) => {
    const faults = faultsOf(firstRounds(seed, 400));
    const count = (matches: (fault: PlannedFault) => boolean) => faults.filter(matches).length;
    const kills = PROCESS_KINDS.map((kind) => count((fault) => fault.action === 'kill' && fault.kind === kind));
    const holds = PROCESS_KINDS.map((kind) => count((fault) => fault.action === 'hold' && fault.kind === kind));
    const harms = LINKS.map((link) => count((fault) => fault.action === 'harm' && fault.link === link));
    // At most the cards of the last deck, which is not dealt to its end, apart.
    expect(Math.max(...kills) - Math.min(...kills)).toBeLessThanOrEqual(6);
    expect(Math.max(...holds) - Math.min(...holds)).toBeLessThanOrEqual(2);
    expect(Math.max(...harms) - Math.min(...harms)).toBeLessThanOrEqual(1);
    expect(Math.min(...kills, ...holds, ...harms)).toBeGreaterThan(0);
  });

  it('holds each kind past every deadline, and no two faults of a round harm the same', () => {
    const rounds = firstRounds(1, 200);
    for (const kind of PROCESS_KINDS) {
      expect(faultsOf(rounds).some((fault) => fault.action === 'hold' && fault.kind === kind && fault.forMs === TIMES.longMs)).toBe(true);
    }
    expect(rounds.some((round) => round.faults.length === 2)).toBe(true);
    for (const { faults } of rounds) expect(new Set(faults.map(subjectOf)).size).toBe(faults.length);
  });

  it('says when a round is over', () => {
    const kill = { action: 'kill', kind: 'router', instance: 0, afterMs: 500 } as const;
    const hold = { action: 'hold', kind: 'worker', instance: 0, afterMs: 100, forMs: 1_000 } as const;
    expect(roundLengthMs({ number: 1, faults: [kill, hold] })).toBe(1_100);
  });
});
