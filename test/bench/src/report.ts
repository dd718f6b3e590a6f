import { CONNECTIONS, STREAM_PACE_MS, STREAMS, type Figures } from './measure-set-up.js';
import { SET_UP_NAMES, SUSTAINED_NAMES, type Results, type SustainedName } from './results.js';
import { ACCOUNTS, FAIL_ONE_IN, KEYS, type SustainedFigures } from './sustained-load.js';
import { MODEL_COUNT } from './set-up.js';
import { delayOf, failuresOf, lostPercent, residentGrowth, verdicts } from './targets.js';

type Cell = string | number | undefined;

/** All tables of a run, as Markdown. */
export function reportOf(results: Results): string {
  return [
    heading(results),
    wholeAnswers(results),
    streams(results),
    prompts(results),
    sustained(results),
    traced(results),
    decisions(results),
    targets(results),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function heading({ machine, command, seconds, warmUpSeconds, ...floor }: Results): string {
  const { processor, cores, memoryGib, system, versions, isPinned, date, commit } = machine;
  const lines = [
    `\`${command}\`, ${date.slice(0, 16).replace('T', ' ')} UTC, commit ${commit}.`,
    `${cores} cores of ${processor}, ${memoryGib} GiB, ${system}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    `${isPinned ? 'What is measured runs on one core, upstream, load and databases on another' : 'NOT PINNED: `taskset` is missing'}; ${warmUpSeconds} s of warm-up, ${seconds} s a figure.`,
  ];
  const { isDisturbed, bestFloorRequestsPerSecond, floorRequestsPerSecondAtEnd } = floor;
  if (floorRequestsPerSecondAtEnd !== undefined) lines.push(`The floor once more at the end: ${thousands(floorRequestsPerSecondAtEnd)} requests/s.`);
  if (isDisturbed)
    lines.push(`**Disturbed:** the floor fell more than 15 % below its best here, ${thousands(bestFloorRequestsPerSecond)} requests/s: run it again.`);
  return lines.join('\n');
}

function wholeAnswers(results: Results): string {
  const floor = results.setUps.bare?.at32.requestsPerSecond;
  const nothing = results.setUps.direct?.at1;
  const rows = setUpRows(results, ({ at32, at1, idleMib, loadMib, eventLoop, ...figures }) => [
    thousands(at32.requestsPerSecond),
    floor === undefined ? undefined : (at32.requestsPerSecond / floor).toFixed(2),
    fixed(at32.cpuMicros, 0),
    stores(at32.storeCpuMicros),
    at1 && nothing ? fixed(at1.p50Ms - nothing.p50Ms, 3) : undefined,
    at1 && nothing ? fixed(at1.p99Ms - nothing.p99Ms, 3) : undefined,
    `${fixed(idleMib, 0)} / ${fixed(loadMib, 0)}`,
    eventLoop && fixed(delayOf({ eventLoop } as Figures), 1),
    failuresOf({ at32, at1, idleMib, loadMib, eventLoop, ...figures }),
  ]);
  const columns = [
    '',
    'requests/s',
    'of the floor',
    'CPU-µs a request',
    'stores, CPU-µs',
    'added p50 ms',
    'added p99 ms',
    'RSS MiB idle / load',
    'loop delay p99 ms',
    'failed',
  ];
  return table(`Short burst: one key, one prompt, whole answers; ${CONNECTIONS} connections, added times at 1`, columns, rows);
}

function streams(results: Results): string {
  const nothing = results.setUps.direct?.streamAt1;
  const rows = setUpRows(results, ({ streamAt1, streams: many }) =>
    many === undefined
      ? undefined
      : [
          streamAt1 && nothing ? fixed(streamAt1.firstDeltaP50Ms - nothing.firstDeltaP50Ms, 3) : undefined,
          fixed(many.cpuMicros, 1),
          stores(many.storeCpuMicros),
          thousands(many.deltas / many.seconds),
          fixed(many.longestGapMs, 0),
          many.stalled === 0 ? 'none' : String(many.stalled),
          `${Math.round(many.gatewayCoreShare * 100)} %`,
        ],
  );
  const columns = ['', 'added first token ms', 'CPU-µs a delta', 'stores, CPU-µs', 'deltas/s', 'longest gap ms', 'stalled', 'core used'];
  return table(`Streams of 64 deltas: first token at 1 connection; the rest with ${STREAMS} at once, a delta every ${STREAM_PACE_MS} ms each`, columns, rows);
}

function prompts(results: Results): string {
  const rows = setUpRows(results, ({ prompts10Kb, prompts100Kb }) =>
    [prompts10Kb, prompts100Kb].every((window) => window === undefined)
      ? undefined
      : [prompts10Kb, prompts100Kb].flatMap((window) => [window && thousands(window.requestsPerSecond), window && fixed(window.cpuMicros, 0)]),
  );
  return table(`Long prompts, ${CONNECTIONS} connections`, ['', '10 KB: requests/s', 'CPU-µs', '100 KB: requests/s', 'CPU-µs'], rows);
}

function sustained(results: Results): string {
  const floor = results.setUps.bare?.at32.requestsPerSecond;
  const rows = (Object.keys(SUSTAINED_NAMES) as SustainedName[]).flatMap((name): Cell[][] => {
    const figures = results.sustained[name];
    return figures === undefined ? [] : [[SUSTAINED_NAMES[name], ...sustainedCells(figures, floor)]];
  });
  const columns = [
    '',
    'minutes',
    'requests/s',
    'of the floor',
    'CPU-µs a request',
    'stores, CPU-µs',
    'p50 / p99 ms',
    'RSS MiB most',
    'growth',
    'lag at the end s',
    'told = posted',
    'failed',
  ];
  const title = `Sustained: ${thousands(KEYS)} keys in ${ACCOUNTS} accounts, ${MODEL_COUNT} models at 3 providers, prompts all different, one first attempt in ${FAIL_ONE_IN} fails`;
  return table(title, columns, rows);
}

function sustainedCells(figures: SustainedFigures, floor: number | undefined): Cell[] {
  return [
    (figures.seconds / 60).toFixed(1),
    thousands(figures.requestsPerSecond),
    floor === undefined ? undefined : (figures.requestsPerSecond / floor).toFixed(2),
    fixed(figures.cpuMicros, 0),
    stores(figures.storeCpuMicros),
    `${fixed(figures.p50Ms, 1)} / ${fixed(figures.p99Ms, 1)}`,
    fixed(Math.max(...figures.slices.map((slice) => slice.residentMib)), 0),
    fixed(residentGrowth(figures), 2),
    fixed(Math.max(figures.unpostedSeconds, ...Object.values(figures.lagSeconds)), 1),
    figures.toldPico === figures.postedPico && figures.ledgerDifferences.length === 0 ? 'yes' : '**no**',
    figures.failed,
  ];
}

function traced(results: Results): string {
  const rows = ([1, 100] as const).flatMap((percent): Cell[][] => {
    const row = results.traced[percent];
    if (row === undefined) return [];
    const { untraced, traced, exportCount, exportedBytes } = row;
    return [
      [
        `${percent} %`,
        thousands(untraced.requestsPerSecond),
        thousands(traced.requestsPerSecond),
        `${lostPercent(row).toFixed(1)} %`,
        fixed(untraced.cpuMicros, 0),
        fixed(traced.cpuMicros, 0),
        exportCount === 0 ? '**none**' : thousands(exportedBytes / 1024),
      ],
    ];
  });
  const columns = ['traced', 'requests/s without', 'with', 'lost', 'CPU-µs a request without', 'with', 'KiB exported'];
  return table('Tracing, all in one, short burst, without and with it in turns', columns, rows);
}

function decisions(results: Results): string {
  const rows = results.decisions.map((row) => [row.endpointsPerModel, fixed(row.meanMicros, 1), fixed(row.p50Micros, 1), fixed(row.p99Micros, 1)]);
  return table('A decision over 5,000 endpoints', ['endpoints a model', 'mean µs', 'p50 µs', 'p99 µs'], rows);
}

function targets(results: Results): string {
  const rows = verdicts(results).map(({ what, wanted, found, isReached }) => [
    what,
    wanted,
    found,
    isReached === undefined ? 'not measured' : isReached ? 'reached' : '**missed**',
  ]);
  const missing = Object.entries(results.missing).map(([row, why]) => [`row ${row}`, '', '', `not measured: ${why}`]);
  return table('Targets, as ratios of this run', ['', 'wanted', 'found', ''], [...rows, ...missing]);
}

function setUpRows({ setUps }: Results, cells: (figures: Figures) => Cell[] | undefined): Cell[][] {
  return Object.entries(SET_UP_NAMES).flatMap(([key, name]) => {
    const figures = setUps[key as keyof typeof SET_UP_NAMES];
    const found = figures && cells(figures);
    return found ? [[name, ...found]] : [];
  });
}

function table(title: string, columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly Cell[]) => `| ${cells.map((cell) => cell ?? '–').join(' | ')} |`;
  return [`**${title}**`, '', line(columns), line(columns.map((_, index) => (index === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

function stores(micros: Readonly<Record<string, number>>): string | undefined {
  const parts = Object.entries(micros).map(([name, value]) => `${name} ${fixed(value, value < 10 ? 1 : 0)}`);
  return parts.length === 0 ? undefined : parts.join(', ');
}

function fixed(value: number, digits: number): string | undefined {
  return Number.isNaN(value) ? undefined : value.toFixed(digits);
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-GB');
}
