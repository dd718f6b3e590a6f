import type { Books } from './books.js';
import type { StreamRecord } from './client/stream-record.js';
import type { Databases } from './databases.js';
import type { Kubernetes } from './kubernetes.js';
import type { PodHistory } from './pod-history.js';
import type { Release } from './release.js';
import type { ClusterSettings } from './settings.js';
import type { World } from './world.js';

/** What actions work with. */
export interface Stage {
  readonly settings: ClusterSettings;
  /** The release's namespace. */
  readonly kubernetes: Kubernetes;
  readonly release: Release;
  readonly databases: Databases;
  readonly world: World;
  readonly books: Books;
  readonly history: PodHistory;
  /** Chats that came whole to others than the load client, by actions: they are in the ledger, too. */
  readonly otherRecords: StreamRecord[];
  readonly say: (text: string) => void;
}

/**
 * `planned`: an operator does it, with streams open, and not one of them may be cut. `unplanned`: something dies; streams may be cut, the books may not
 * be wrong. `forbidden`: has to fail.
 */
export type ActionKind = 'planned' | 'unplanned' | 'forbidden';

export interface Action {
  readonly name: string;
  readonly kind: ActionKind;
  /** Resolves to what was seen, for people. @throws Error when something that has to hold does not */
  run(stage: Stage): Promise<string>;
}

/** @throws Error with the sentence when it is not so */
export function demand(isSo: boolean, sentence: string): asserts isSo {
  if (!isSo) throw new Error(sentence);
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(0)} s`;
