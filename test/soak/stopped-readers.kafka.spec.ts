import { stoppedReadersSuite } from './stopped-readers.suite.js';

stoppedReadersSuite('split', 200);
