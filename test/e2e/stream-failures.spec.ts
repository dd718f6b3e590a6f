import { describe } from '@jest/globals';
import { CELLS } from './stream-failure-table.js';
import { streamFailuresSuite } from './stream-failures.suite.js';

describe('answers that fail', () => streamFailuresSuite('all', CELLS));
