import { stoppedReadersSuite } from './stopped-readers.suite.js';

stoppedReadersSuite('all', 200);
