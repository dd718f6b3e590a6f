import { CONNECTIONS, type Figures } from './measure-set-up.js';
import { SUSTAINED_NAMES, type Results, type SustainedName, type TracedFigures } from './results.js';
import type { SustainedFigures } from './sustained-load.js';

/** A figure and what it should be. */
export interface Verdict {
  readonly what: string;
  readonly wanted: string;
  readonly found: string;
  /** Undefined: something that it needs was not measured. */
  readonly isReached: boolean | undefined;
}

export const MOST_LAG_SECONDS = 5;
const FLAT_GROWTH = 1.1;
const UNKNOWN = Number.NaN;
const SHORT_NAMES: Readonly<Record<SustainedName, string>> = { all: 'all in one', split: 'split', 'all-limits': 'all in one with key limits' };

interface ShapeTargets {
  readonly shape: 'all' | 'split';
  readonly name: string;
  readonly floorShare: number;
  readonly portkeyTimes: number;
  readonly cpuTimes?: number;
  readonly p50Times: number;
  readonly p99Times?: number;
  readonly deltaTimes: number;
  readonly residentMib?: number;
}

const SHAPES: readonly ShapeTargets[] = [
  { shape: 'all', name: 'all in one', floorShare: 0.5, portkeyTimes: 5, cpuTimes: 2, p50Times: 1.5, p99Times: 1.5, deltaTimes: 1.5, residentMib: 350 },
  { shape: 'split', name: 'split', floorShare: 0.28, portkeyTimes: 3, p50Times: 2.5, deltaTimes: 3 },
];

/** Every target with what was found; those of speed by the sustained rows where there are, else by the short ones. */
export function verdicts(results: Results): Verdict[] {
  return [
    ...SHAPES.flatMap((targets) => shapeVerdicts(results, targets)),
    ...tracingVerdicts(results),
    ...decisionVerdicts(results),
    ...(Object.keys(SUSTAINED_NAMES) as SustainedName[]).flatMap((name) => sustainedVerdicts(SHORT_NAMES[name], results.sustained[name])),
    failureVerdict(results),
  ];
}

function shapeVerdicts({ setUps, sustained }: Results, targets: ShapeTargets): Verdict[] {
  const { shape, name } = targets;
  const own = setUps[shape];
  const long = sustained[shape];
  if (own === undefined && long === undefined) return [];
  const { bare, portkey, direct } = setUps;
  const kind = long === undefined ? 'short burst' : 'sustained';
  const perSecond = long?.requestsPerSecond ?? own?.at32.requestsPerSecond ?? UNKNOWN;
  const cpu = long?.cpuMicros ?? own?.at32.cpuMicros ?? UNKNOWN;
  const added = (figures: Figures | undefined, field: 'p50Ms' | 'p99Ms') => (figures?.at1?.[field] ?? UNKNOWN) - (direct?.at1?.[field] ?? UNKNOWN);
  const perDelta = (figures: Figures | undefined) => figures?.streams?.cpuMicros ?? UNKNOWN;
  return [
    atLeast(
      `${name}: requests/s at ${CONNECTIONS} connections (${kind}), of the floor's`,
      perSecond / (bare?.at32.requestsPerSecond ?? UNKNOWN),
      targets.floorShare,
      2,
    ),
    atLeast(`${name}: requests/s (${kind}), times Portkey's`, perSecond / (portkey?.at32.requestsPerSecond ?? UNKNOWN), targets.portkeyTimes, 1),
    ...(targets.cpuTimes === undefined
      ? []
      : [atMost(`${name}: CPU a request (${kind}), times the floor's`, cpu / (bare?.at32.cpuMicros ?? UNKNOWN), targets.cpuTimes, 2)]),
    atMost(`${name}: added p50, times the floor's`, added(own, 'p50Ms') / added(bare, 'p50Ms'), targets.p50Times, 2),
    ...(targets.p99Times === undefined
      ? []
      : [atMost(`${name}: added p99, times the floor's`, added(own, 'p99Ms') / added(bare, 'p99Ms'), targets.p99Times, 2)]),
    atMost(`${name}: CPU a delta, times the floor's`, perDelta(own) / perDelta(bare), targets.deltaTimes, 2),
    ...(targets.residentMib === undefined ? [] : [atMost(`${name}: memory under load, MiB`, mostMib(own, long), targets.residentMib, 0)]),
    atMost(`${name}: stalled of 512 streams`, own?.streams?.stalled ?? UNKNOWN, 0, 0),
    atMost(`${name}: event-loop delay p99 at 80 % load, ms`, own?.eventLoop ? delayOf(own) : UNKNOWN, 20, 1),
  ];
}

/** The timer that samples the delay has an interval of its own, which is in what it reports: what it reports idle is taken off. */
export function delayOf(figures: Figures): number {
  const { loadP99Ms, idleP99Ms } = figures.eventLoop ?? { loadP99Ms: UNKNOWN, idleP99Ms: UNKNOWN };
  return Math.max(0, loadP99Ms - idleP99Ms);
}

function tracingVerdicts({ traced }: Results): Verdict[] {
  const limits = { 1: 5, 100: 40 } as const;
  return ([1, 100] as const).flatMap((percent) => {
    const figures = traced[percent];
    if (figures === undefined) return [];
    return [atMost(`tracing at ${percent} %: requests/s lost, %`, lostPercent(figures), limits[percent], 1)];
  });
}

/** Of the requests a second without tracing. */
export function lostPercent({ untraced, traced }: TracedFigures): number {
  return (1 - traced.requestsPerSecond / untraced.requestsPerSecond) * 100;
}

function decisionVerdicts({ decisions }: Results): Verdict[] {
  return decisions.map((figures) => atMost(`decision over 5,000 endpoints, ${figures.endpointsPerModel} a model, µs`, figures.meanMicros, 25, 1));
}

function sustainedVerdicts(name: string, figures: SustainedFigures | undefined): Verdict[] {
  if (figures === undefined) return [];
  const lag = Math.max(figures.unpostedSeconds, ...Object.values(figures.lagSeconds));
  const isEqual = figures.toldPico === figures.postedPico && figures.ledgerDifferences.length === 0;
  const growth = residentGrowth(figures);
  return [
    atMost(`${name}, sustained: lag at the end, seconds of traffic`, lag, MOST_LAG_SECONDS, 1),
    { what: `${name}, sustained: ledger and what clients were told`, wanted: 'equal', found: isEqual ? 'equal' : 'different', isReached: isEqual },
    atMost(`${name}, sustained: memory of the last fifth, times the second fifth's`, growth, FLAT_GROWTH, 2),
  ];
}

/** Memory in the last fifth of a run over that in its second: what comes first is still warming up. */
export function residentGrowth({ slices }: Pick<SustainedFigures, 'slices'>): number {
  const fifth = Math.max(1, Math.floor(slices.length / 5));
  const mean = (part: SustainedFigures['slices']) => part.reduce((sum, slice) => sum + slice.residentMib, 0) / part.length;
  return mean(slices.slice(-fifth)) / mean(slices.slice(fifth, 2 * fifth));
}

function failureVerdict({ setUps, sustained, traced }: Results): Verdict {
  const own = [setUps.all, setUps.split].filter((figures) => figures !== undefined);
  const turns = Object.values(traced).flatMap((row) => [row.untraced, row.traced]);
  const others = [...Object.values(sustained), ...turns];
  const count =
    own.reduce((sum, figures) => sum + failuresOf(figures), 0) + others.reduce((sum, { failed, failures }) => sum + Math.max(failed, failures.length), 0);
  return atMost('failed requests of Switchyard', count, 0, 0);
}

export function failuresOf(figures: Figures): number {
  const windows = [figures.at32, figures.at1, figures.streamAt1, figures.streams, figures.prompts10Kb, figures.prompts100Kb];
  return Math.max(
    windows.reduce((sum, window) => sum + (window?.failed ?? 0), 0),
    figures.failures.length,
  );
}

function mostMib(own: Figures | undefined, long: SustainedFigures | undefined): number {
  return Math.max(own?.loadMib ?? 0, ...(long?.slices.map((slice) => slice.residentMib) ?? []));
}

function atLeast(what: string, value: number, limit: number, digits: number): Verdict {
  return { what, wanted: `≥ ${limit}`, found: show(value, digits), isReached: Number.isNaN(value) ? undefined : value >= limit };
}

function atMost(what: string, value: number, limit: number, digits: number): Verdict {
  return { what, wanted: limit === 0 ? 'none' : `≤ ${limit}`, found: show(value, digits), isReached: Number.isNaN(value) ? undefined : value <= limit };
}

function show(value: number, digits: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(digits);
}
