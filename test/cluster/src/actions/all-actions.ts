import type { Action } from '../action.js';
import { evict } from './evict.js';
import { FORBIDDEN_ACTIONS } from './forbidden.js';
import { helmTest } from './helm-test.js';
import { kills } from './kills.js';
import { roll } from './roll.js';
import { scaleByHand } from './scale-by-hand.js';
import { scaleByLoad } from './scale-by-load.js';
import { failedMigration, rollback, upgrade, upgradeAgain } from './upgrade.js';

/** In the order in which they are run. The first four begin with the earlier image. */
export const ACTIONS: readonly Action[] = [
  failedMigration,
  upgrade,
  rollback,
  upgradeAgain,
  roll('ingress'),
  roll('worker'),
  roll('router'),
  roll('billing'),
  roll('analytics'),
  evict,
  scaleByHand,
  scaleByLoad,
  ...FORBIDDEN_ACTIONS,
  helmTest,
  kills,
];

/** Actions that need the release to be of the earlier image when they start. */
export const FROM_EARLIER: ReadonlySet<string> = new Set([failedMigration.name, upgrade.name]);
