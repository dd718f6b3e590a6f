import { describe, expect, it } from '@jest/globals';
import type { BookedGeneration } from './books.js';
import type { StreamRecord } from './client/stream-record.js';
import { judge } from './verdict.js';

const record = (over: Partial<StreamRecord> = {}): StreamRecord => ({
  sequence: 1,
  kind: 'long',
  startedAtMs: 1000,
  endedAtMs: 61_000,
  outcome: 'whole',
  generationId: 'gen-1',
  costUsd: 0.000_012,
  ...over,
});
const booked = (over: Partial<BookedGeneration> = {}): BookedGeneration => ({
  generationId: 'gen-1',
  chargePico: 12_000_000n,
  flags: [],
  postingCount: 1,
  ...over,
});
const nothing = { records: [], booked: [], unplanned: [], differences: [] };

describe('judge', () => {
  it('finds nothing where every answer came whole and is booked once at its cost', () => {
    expect(judge({ ...nothing, records: [record()], booked: [booked()] })).toEqual({ cutStreams: [], ledgerDifferences: [] });
  });

  it.each(['cut', 'wrong_text', 'refused'] as const)('tells of a stream that was %s by a planned action', (outcome) => {
    const { cutStreams } = judge({ ...nothing, records: [record({ outcome, detail: 'terminated' })], unplanned: [{ fromMs: 70_000, toMs: 80_000 }] });
    expect(cutStreams).toEqual([`stream 1 (long, gen-1): ${outcome}: terminated`]);
  });

  it('excuses a stream that ran while something was killed', () => {
    expect(judge({ ...nothing, records: [record({ outcome: 'cut' })], unplanned: [{ fromMs: 50_000, toMs: 80_000 }] }).cutStreams).toEqual([]);
  });

  it('tells of an answer that is missing in the ledger, in it twice, or charged otherwise than it said', () => {
    const differencesOf = (...generations: BookedGeneration[]) => judge({ ...nothing, records: [record()], booked: generations }).ledgerDifferences;
    expect(differencesOf()).toEqual(['stream 1 (gen-1) came whole and is not in the ledger']);
    expect(differencesOf(booked({ postingCount: 2 }))).toEqual(['stream 1 (gen-1) is in the ledger 2 times']);
    expect(differencesOf(booked({ chargePico: 13_000_000n }))).toEqual(['stream 1 (gen-1) told a cost of 0.000012 USD and is charged 0.000013 USD']);
  });

  it('tells of a charge for what no client received, unless it is flagged as perhaps not delivered', () => {
    const charged = booked({ generationId: 'gen-2' });
    expect(judge({ ...nothing, booked: [charged] }).ledgerDifferences).toEqual(['gen-2 is charged 12000000 pico-dollars, and no client received it whole']);
    expect(judge({ ...nothing, booked: [{ ...charged, flags: ['delivery_unconfirmed'] }, booked({ chargePico: 0n })] }).ledgerDifferences).toEqual([]);
  });

  it('passes on what ledger verify found', () => {
    expect(judge({ ...nothing, differences: ['balance: demo: off by 1'] }).ledgerDifferences).toEqual(['balance: demo: off by 1']);
  });
});
