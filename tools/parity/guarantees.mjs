/**
 * Holds docs/reference/guarantees.md to its word.
 *
 *   node tools/parity/guarantees.mjs --check     fails when a promise names no test, or one that does not exist
 *   node tools/parity/guarantees.mjs --results   fails when a named test is missing, failed or skipped in test-results/
 */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needsKafka } from './needs-kafka.mjs';
import { readTable, unknownTests, unmetPromises } from './parity-table.mjs';
import { readResults } from './read-results.mjs';
import { scanTitles, titlePattern } from './scan-titles.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const FOLDERS = ['libs', 'services', 'test'];

/** Without Kafka its suites are left out, which `npm test` says loudly, and counts as failures where CI=true. */
const isContinuousIntegration = process.env.CI === 'true' || process.env.CI === '1';
const mayBeLeftOut = (file) => !isContinuousIntegration && needsKafka(root, file);

const [mode] = process.argv.slice(2);
const table = readTable(readFileSync(join(root, 'docs/reference/guarantees.md'), 'utf8'));
const problems = [];
if (mode === '--check') problems.push(...unknownTests(table, scanTitles(root, FOLDERS, { everyTest: true })));
else if (mode === '--results') problems.push(...unmetPromises(table, readResults(root), titlePattern, mayBeLeftOut));
else {
  console.error('Usage: node tools/parity/guarantees.mjs --check | --results');
  process.exit(2);
}
if (table.length === 0) problems.push('docs/reference/guarantees.md has no promises');
for (const problem of problems) console.error(problem);
console.log(`Guarantees: ${table.length} promises, ${problems.length} problems.`);
process.exitCode = problems.length > 0 ? 1 : 0;
