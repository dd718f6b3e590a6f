import { tracedPlatformSuite } from './traced-platform.suite.js';

tracedPlatformSuite('split');
