import { describe, expect, it } from '@jest/globals';
import type { BookedGeneration, Books } from './books.js';
import type { Observation } from './client-load.js';
import type { Incident } from './recorder.js';
import { judge } from './verdict.js';

const SEEN: Observation = {
  sequence: 1,
  ingress: 'ingress-1',
  model: 'acme/writer',
  isStreamed: true,
  sentAtMs: 1_000,
  endedAtMs: 2_000,
  status: 200,
  generationId: 'gen-1',
  outcome: 'whole',
  costUsd: 0.000001,
};
const BOOKED: BookedGeneration = { generationId: 'gen-1', user: 'chaos-1', chargePico: 1_000_000n, flags: [], end: 'completed', chargePostingCount: 1 };
const UNCONFIRMED = { ...BOOKED, flags: ['delivery_unconfirmed'] };
const CLEAN: Books = {
  generations: [BOOKED],
  resolutions: {},
  attemptCount: 1,
  attemptsWithoutCost: [],
  costsWithoutGeneration: [],
  doubleCosts: [],
  ledgerSumPico: 0n,
  unresolvedLeases: [],
  unevenLeases: [],
  unevenAnalytics: [],
  deadLetterCount: 0,
};
const KILL: Incident = { atMs: 1_990, process: 'ingress-1', kind: 'ingress', what: 'killed' };

function rules(
  seen: Partial<Observation>,
  generations: readonly BookedGeneration[],
  incidents: readonly Incident[] = [],
  books: Partial<Books> = {},
): string[] {
  return judge({ observations: [{ ...SEEN, ...seen }], incidents, books: { ...CLEAN, ...books, generations }, upstreamRequestCount: 1 }).map(
    ({ rule }) => rule,
  );
}

describe('the verdict on a run', () => {
  it('finds nothing where each answer that arrived has its charge', () => {
    expect(rules({}, [BOOKED])).toEqual([]);
    expect(rules({}, [UNCONFIRMED], [KILL])).toEqual([]);
    expect(rules({ outcome: 'typed_error' }, [{ ...BOOKED, chargePico: 0n, chargePostingCount: 0 }])).toEqual([]);
    expect(rules({ outcome: 'refused', generationId: undefined }, [])).toEqual([]);
    expect(rules({ outcome: 'left' }, [BOOKED])).toEqual([]);
  });

  it('excuses the charge of an answer that was cut by a kill of its ingress, if it is flagged', () => {
    expect(rules({ outcome: 'reset' }, [UNCONFIRMED], [KILL])).toEqual([]);
    expect(rules({ outcome: 'reset' }, [BOOKED], [KILL])).toEqual(['what may not have arrived is flagged']);
    expect(rules({ outcome: 'reset', status: 0 }, [UNCONFIRMED], [{ ...KILL, process: 'ingress-2' }])).toEqual(['what did not arrive is not charged']);
    expect(rules({ outcome: 'reset', status: 0 }, [UNCONFIRMED], [{ ...KILL, atMs: 5_000 }])).toEqual(['what did not arrive is not charged']);
    expect(rules({ outcome: 'typed_error' }, [UNCONFIRMED], [KILL])).toEqual(['what did not arrive is not charged']);
  });

  it('finds an answer without its charge, with another, or with two', () => {
    expect(rules({}, [])).toEqual(['what arrived whole is charged']);
    expect(rules({}, [{ ...BOOKED, chargePico: 2_000_000n }])).toEqual(['the charge is what the answer said']);
    expect(rules({}, [{ ...BOOKED, chargePostingCount: 0 }])).toEqual(['what arrived whole is charged']);
    expect(rules({}, [{ ...BOOKED, generationId: 'gen-2' }])).toEqual(['what arrived whole is charged']);
    expect(rules({}, [BOOKED, { ...BOOKED, generationId: 'gen-2' }])).toEqual(['no request is charged twice']);
    expect(rules({}, [{ ...BOOKED, chargePostingCount: 2 }])).toEqual(['no request is charged twice']);
  });

  it('finds charges for what nobody sent', () => {
    expect(rules({}, [BOOKED, { ...BOOKED, generationId: 'gen-2', user: 'chaos-99' }])).toEqual(['only requests are charged']);
  });

  it('finds what no client may see', () => {
    const nothing = { chargePico: 0n, chargePostingCount: 0 };
    expect(rules({ outcome: 'cut_clean' }, [{ ...BOOKED, ...nothing }])).toEqual(['no clean end on a cut answer']);
    expect(rules({ outcome: 'wrong_text' }, [{ ...BOOKED, ...nothing }])).toEqual(['a whole answer is what the provider sent']);
    expect(rules({ outcome: 'reset' }, [{ ...BOOKED, ...nothing }])).toEqual(['only a killed ingress cuts its answers']);
    expect(rules({ outcome: 'hung' }, [{ ...BOOKED, ...nothing }])).toEqual(['no request hangs']);
    expect(rules({ outcome: 'hung' }, [{ ...BOOKED, ...nothing }], [{ ...KILL, what: 'held' }])).toEqual([]);
  });

  it.each([
    ['an attempt without cost', { attemptsWithoutCost: ['gen-1:0'] }, 'each attempt has its cost'],
    ['a cost without its generation', { costsWithoutGeneration: ['gen-2:0'] }, 'each cost has its generation'],
    ['a cost that was posted twice', { doubleCosts: ['id'] }, 'each attempt has one cost'],
    ['an open lease', { unresolvedLeases: ['lease'] }, 'every lease is resolved'],
    ['a lease that was settled otherwise', { unevenLeases: ['lease'] }, 'what events name is what was settled'],
    ['a generation that analytics lacks', { unevenAnalytics: ['gen-1'] }, 'analytics has what billing has'],
    ['a ledger that does not balance', { ledgerSumPico: 1n }, 'the ledger sums to zero'],
    ['a request at a provider that nobody booked', { attemptCount: 0 }, 'each request at a provider has its cost'],
    ['a refused event', { deadLetterCount: 1 }, 'no event is refused'],
  ])('finds %s', (_what, books, rule) => {
    expect(rules({}, [BOOKED], [], books)).toEqual([rule]);
  });

  it('finds a process that ended by itself', () => {
    expect(rules({}, [BOOKED], [{ ...KILL, process: 'billing-1', kind: 'billing', what: 'ended_by_itself' }])).toEqual(['no process ends by itself']);
  });
});
