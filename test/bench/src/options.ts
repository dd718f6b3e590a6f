import { parseArgs } from 'node:util';

/** What is measured, in this order. */
export const ROWS = [
  'direct',
  'bare',
  'portkey',
  'all',
  'all-traced-1',
  'all-traced-100',
  'split',
  'all-sustained',
  'split-sustained',
  'all-limits',
  'decision',
] as const;
export type RowName = (typeof ROWS)[number];

export interface BenchOptions {
  readonly rows: ReadonlySet<RowName>;
  readonly seconds: number;
  readonly minutes: number;
  readonly warmUpSeconds: number;
  readonly writesDocs: boolean;
  readonly writesProfiles: boolean;
  /** A run that was disturbed is not repeated; it says so all the same. */
  readonly runsOnce: boolean;
  /** As it was typed. */
  readonly command: string;
}

export const HELP = `npm run bench -- [options]
  --seconds=N    how long a figure is measured (10)
  --minutes=N    how long the sustained rows run (1; a headline takes 10; the one with limits 2 at most)
  --warm-up=N    seconds of requests before anything is measured, the same for every row (30)
  --rows=a,b     only these of ${ROWS.join(', ')}
  --no-split     without the rows that need Kafka
  --no-portkey   without the row that needs a package registry
  --cpu-prof     write a CPU profile of every process of Switchyard to test-results/profiles; its figures then mean little
  --once         do not repeat what was disturbed; it says so all the same
  --docs         write the tables into docs/reference/performance.md, too`;

/** @throws Error that tells what is wrong with them */
export function readOptions(commandArguments: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...commandArguments],
    options: {
      seconds: { type: 'string', default: '10' },
      minutes: { type: 'string', default: '1' },
      'warm-up': { type: 'string', default: '30' },
      rows: { type: 'string', default: ROWS.join(',') },
      'no-split': { type: 'boolean', default: false },
      'no-portkey': { type: 'boolean', default: false },
      docs: { type: 'boolean', default: false },
      'cpu-prof': { type: 'boolean', default: false },
      once: { type: 'boolean', default: false },
    },
  });
  const without = (name: string) => (values['no-split'] && name.startsWith('split')) || (values['no-portkey'] && name === 'portkey');
  const rows = new Set(
    values.rows
      .split(',')
      .filter((name) => !without(name))
      .map(rowNamed),
  );
  return {
    rows,
    seconds: positive('seconds', values.seconds),
    minutes: positive('minutes', values.minutes),
    warmUpSeconds: positive('warm-up', values['warm-up']),
    writesDocs: values.docs,
    writesProfiles: values['cpu-prof'],
    runsOnce: values.once,
    command: ['npm run bench', ...(commandArguments.length > 0 ? ['--', ...commandArguments] : [])].join(' '),
  };
}

function rowNamed(name: string): RowName {
  const row = ROWS.find((known) => known === name);
  if (row === undefined) throw new Error(`There is no row "${name}"; there are ${ROWS.join(', ')}.`);
  return row;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not "${text}".`);
  return value;
}
