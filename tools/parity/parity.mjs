/**
 * Keeps docs/reference/parity.md and the tests together.
 *
 *   node tools/parity/parity.mjs --write     renews the column of tests from the titles
 *   node tools/parity/parity.mjs --check     fails when that column is not what the titles say
 *   node tools/parity/parity.mjs --results   fails when a named test is missing, failed or skipped in test-results/
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readTable, unmetPromises, writeTable } from './parity-table.mjs';
import { readResults } from './read-results.mjs';
import { scanTitles, titlePattern } from './scan-titles.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const path = join(root, 'docs/reference/parity.md');
/** Where a promise to clients is kept: suites that call a started platform over HTTP. */
const FOLDERS = ['test/compat', 'test/e2e'];

const [mode] = process.argv.slice(2);
const text = readFileSync(path, 'utf8');
const found = scanTitles(root, FOLDERS);
const renewed = writeTable(text, found);
const table = readTable(renewed);
const unknown = found.flatMap(({ rows, file }) =>
  rows.filter((row) => !table.some((entry) => entry.row === row)).map((row) => `${file} names ${row}, which is no row`),
);

let problems = [];
if (mode === '--write') {
  if (renewed !== text) writeFileSync(path, renewed);
} else if (mode === '--check') {
  problems = renewed === text ? unknown : [...unknown, 'docs/reference/parity.md is not what the test titles say: run `npm run generate`'];
} else if (mode === '--results') {
  problems = unmetPromises(table, readResults(root), titlePattern);
} else {
  console.error('Usage: node tools/parity/parity.mjs --write | --check | --results');
  process.exit(2);
}
for (const problem of problems) console.error(problem);
console.log(`Parity: ${table.length} rows, ${table.filter(({ tests }) => tests.length > 0).length} with tests, ${problems.length} problems.`);
process.exitCode = problems.length > 0 ? 1 : 0;
