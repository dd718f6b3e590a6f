import { describe, expect, it } from '@jest/globals';
import type { Figures } from './measure-set-up.js';
import type { Window } from './measured-window.js';
import type { Results } from './results.js';
import type { SustainedFigures } from './sustained-load.js';
import { residentGrowth, verdicts } from './targets.js';

const WINDOW: Window = {
  seconds: 10,
  requests: 1_000,
  failed: 0,
  deltas: 0,
  requestsPerSecond: 20_000,
  p50Ms: 0.1,
  p99Ms: 0.2,
  firstDeltaP50Ms: 0.2,
  firstDeltaP99Ms: 0.3,
  longestGapMs: 50,
  cpuMicros: 40,
  storeCpuMicros: {},
  upstreamCpuMicros: 5,
  generatorCpuMicros: 5,
  gatewayCoreShare: 0.9,
  loadCoreShare: 0.5,
  residentMib: 200,
};

function figures(window: Partial<Window>): Figures {
  const at32 = { ...WINDOW, ...window };
  const streams = { ...at32, stalled: 0 };
  return { idleMib: 100, loadMib: 200, at32, at1: at32, streamAt1: at32, streams, prompts10Kb: at32, prompts100Kb: at32, eventLoop: undefined, failures: [] };
}

function sustained(change: Partial<SustainedFigures> = {}): SustainedFigures {
  const slice = { requestsPerSecond: 9_000, p50Ms: 1, p99Ms: 2, cpuMicros: 90, storeCpuMicros: {}, residentMib: 300, loadCoreShare: 0.8, lagRecords: {} };
  return {
    seconds: 600,
    requests: 5_400_000,
    failed: 0,
    requestsPerSecond: 9_000,
    cpuMicros: 90,
    storeCpuMicros: {},
    p50Ms: 1,
    p99Ms: 2,
    slices: Array.from({ length: 10 }, () => slice),
    unpostedSeconds: 1,
    lagSeconds: { billing: 0.5 },
    catchUpSeconds: 1,
    toldPico: '10',
    postedPico: '10',
    ledgerDifferences: [],
    failures: [],
    ...change,
  };
}

function results(change: Partial<Results>): Results {
  const versions = {};
  const machine = { date: '', commit: '', processor: '', cores: 2, memoryGib: 1, system: '', isPinned: true, versions };
  const none = { traced: {}, sustained: {}, decisions: [], missing: {}, setUps: {} };
  return {
    machine,
    command: '',
    seconds: 10,
    minutes: 1,
    warmUpSeconds: 30,
    isDisturbed: false,
    bestFloorRequestsPerSecond: 0,
    floorRequestsPerSecondAtEnd: undefined,
    ...none,
    ...change,
  };
}

const verdictOf = (of: Results, what: string) => verdicts(of).find((verdict) => verdict.what.startsWith(what));

describe('what the bench calls reached', () => {
  const bare = figures({});
  const all = figures({ requestsPerSecond: 12_000, cpuMicros: 70 });

  it('compares with the floor of the same run', () => {
    const setUps = { bare, all };
    expect(verdictOf(results({ setUps }), 'all in one: requests/s at 32')).toMatchObject({ found: '0.60', isReached: true });
    expect(verdictOf(results({ setUps }), 'all in one: CPU a request')).toMatchObject({ found: '1.75', isReached: true });
  });

  it('judges by the sustained row where there is one', () => {
    const found = results({ setUps: { bare, all }, sustained: { all: sustained() } });
    expect(verdictOf(found, 'all in one: requests/s at 32 connections (sustained)')).toMatchObject({ found: '0.45', isReached: false });
  });

  it('says nothing of what was not measured', () => {
    expect(verdictOf(results({ setUps: { all } }), 'all in one: requests/s at 32')).toMatchObject({ found: '–', isReached: undefined });
  });

  it('asks that tracing costs little, of what the same minutes gave without it', () => {
    const untraced = { requests: 60_000, failed: 0, requestsPerSecond: 8_000, cpuMicros: 120, failures: [] };
    const row = { untraced, traced: { ...untraced, requestsPerSecond: 7_800 }, exportCount: 1, exportedBytes: 1 };
    const found = results({ setUps: { all }, traced: { 1: row, 100: { ...row, traced: { ...untraced, requestsPerSecond: 4_000, failed: 1 } } } });
    expect(verdictOf(found, 'tracing at 1 %')).toMatchObject({ found: '2.5', isReached: true });
    expect(verdictOf(found, 'tracing at 100 %')).toMatchObject({ found: '50.0', isReached: false });
    expect(verdictOf(found, 'failed requests')).toMatchObject({ isReached: false });
  });

  it.each<[string, Partial<SustainedFigures>, string]>([
    ['a ledger that is not what clients were told', { postedPico: '9' }, 'all in one, sustained: ledger'],
    ['a ledger with differences', { ledgerDifferences: ['zero_sum'] }, 'all in one, sustained: ledger'],
    ['money that was posted too late', { unpostedSeconds: 6 }, 'all in one, sustained: lag'],
    ['a consumer that lags', { lagSeconds: { analytics: 7 } }, 'all in one, sustained: lag'],
    ['a failed request', { failed: 1 }, 'failed requests'],
  ])('does not let %s pass', (_, change, what) => {
    expect(verdictOf(results({ sustained: { all: sustained() } }), what)).toMatchObject({ isReached: true });
    expect(verdictOf(results({ sustained: { all: sustained(change) } }), what)).toMatchObject({ isReached: false });
  });

  it('sees memory that grows, whatever it did while warming up', () => {
    const slices = sustained().slices.map((slice, index) => ({ ...slice, residentMib: [100, 100, 200, 200, 210, 220, 230, 240, 250, 250][index]! }));
    expect(residentGrowth({ slices })).toBe(1.25);
  });
});
