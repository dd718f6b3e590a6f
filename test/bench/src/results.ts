import type { DecisionFigures } from './decision-speed.js';
import type { Machine } from './machine.js';
import type { TurnFigures } from './measure-in-turns.js';
import type { Figures } from './measure-set-up.js';
import type { RowName } from './options.js';
import type { SustainedFigures } from './sustained-load.js';

export const SET_UP_NAMES = {
  direct: 'direct to the mock',
  bare: 'bare Node proxy (the floor)',
  portkey: 'Portkey',
  all: 'Switchyard, all in one',
  split: 'Switchyard, split',
} as const;

/** `all-limits`: all in one, every key with a limit of its own. */
export type SustainedName = 'all' | 'split' | 'all-limits';

export const SUSTAINED_NAMES: Readonly<Record<SustainedName, string>> = {
  all: SET_UP_NAMES.all,
  split: SET_UP_NAMES.split,
  'all-limits': `${SET_UP_NAMES.all}, and a limit on every key`,
};

/** Everything of one run; what was not measured is left out. */
export interface Results {
  readonly machine: Machine;
  readonly command: string;
  readonly seconds: number;
  readonly minutes: number;
  readonly warmUpSeconds: number;
  readonly setUps: Partial<Record<keyof typeof SET_UP_NAMES, Figures>>;
  /** By the share of requests that is traced, in per cent. */
  readonly traced: Partial<Record<1 | 100, TracedFigures>>;
  readonly sustained: Partial<Record<SustainedName, SustainedFigures>>;
  readonly decisions: readonly DecisionFigures[];
  /** Rows that could not be measured, and why. */
  readonly missing: Partial<Record<RowName, string>>;
  /** The floor fell more than 15 % below its best on this machine, before the other rows or after them: nothing here counts. */
  readonly isDisturbed: boolean;
  readonly bestFloorRequestsPerSecond: number;
  readonly floorRequestsPerSecondAtEnd: number | undefined;
}

export interface TracedFigures {
  /** In turns with the traced one. */
  readonly untraced: TurnFigures;
  readonly traced: TurnFigures;
  /** What the receiver got. */
  readonly exportCount: number;
  readonly exportedBytes: number;
}
