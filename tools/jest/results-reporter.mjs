/**
 * Jest reporter: writes what each test did to the file named by SWITCHYARD_RESULTS_FILE, for sums over all suites and for
 * the parity table. Without that variable it does nothing.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';

export default class ResultsReporter {
  constructor(globalConfig) {
    this.rootDirectory = globalConfig.rootDir;
  }

  onRunComplete(_contexts, results) {
    const path = process.env.SWITCHYARD_RESULTS_FILE;
    if (!path) return;
    const tests = results.testResults.flatMap((file) => {
      const name = relative(this.rootDirectory, file.testFilePath);
      const ran = file.testResults.map(({ fullName, status, duration }) => ({ file: name, title: fullName, status, durationMs: duration ?? 0 }));
      // A file that did not load ran no test, and is a failure all the same.
      return file.failureMessage && !ran.some(({ status }) => status === 'failed')
        ? [...ran, { file: name, title: '(file)', status: 'failed', durationMs: 0 }]
        : ran;
    });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify({ interrupted: Boolean(results.wasInterrupted), tests }, null, 1));
  }
}
