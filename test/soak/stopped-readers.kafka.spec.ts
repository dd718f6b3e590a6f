import { stoppedReadersSuite } from '../e2e/stopped-readers.suite.js';

stoppedReadersSuite('split', 200);
