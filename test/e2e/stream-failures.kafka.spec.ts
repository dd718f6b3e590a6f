import { describe } from '@jest/globals';
import { CELLS, CLIENT_LEAVES, STOPS_FOR_A_WHILE, STOPS_FOR_GOOD, type Cell } from './stream-failure-table.js';
import { streamFailuresSuite } from './stream-failures.suite.js';

/** What crosses the session between ingress and worker, and the two sides' books: one cell of each kind of outcome at each kind of point. */
const TELLING: readonly (readonly [fault: string, points: readonly string[]])[] = [
  ['cut', ['before the headers', 'before the first content', 'between chunks', 'after the finish reason', 'before the terminator']],
  ['stall', ['after the headers', 'in mid-chunk', 'after the finish reason']],
  ['error frame', ['between chunks', 'after the finish reason']],
  ['garbage', ['after the finish reason']],
  ['negative usage', ['']],
  [CLIENT_LEAVES, ['before the headers', 'after the headers', 'between chunks', 'before the terminator']],
  [STOPS_FOR_A_WHILE, ['']],
  [STOPS_FOR_GOOD, ['']],
];

const isTelling = (cell: Cell): boolean => cell.wire === 'openai' && TELLING.some(([fault, points]) => fault === cell.fault && points.includes(cell.point));

describe('answers that fail, five services over gRPC and Kafka', () => streamFailuresSuite('split', CELLS.filter(isTelling)));
