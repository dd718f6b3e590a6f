/** Tables of promises: row, promise, tests. Those of docs/reference/parity.md and docs/reference/guarantees.md. */
import { dirname } from 'node:path';

const ROW = /^\| ([A-Z]\d{1,2}) \| (.*?) \|(.*)\|$/;
const TEST = /`([^`]+)` in `([^`]+)`/g;

/** @returns {{ row: string, promise: string, tests: { title: string, file: string }[] }[]} */
export function readTable(text) {
  return text
    .split('\n')
    .map((line) => ROW.exec(line))
    .filter((match) => match !== null)
    .map(([, row, promise, tests]) => ({ row, promise: promise.trim(), tests: [...tests.matchAll(TEST)].map(([, title, file]) => ({ title, file })) }));
}

const cell = (title) => title.replaceAll('|', '/').replaceAll('`', "'").replace(/\s+/g, ' ');

/** The text with its last column renewed from the tests that were found. */
export function writeTable(text, found) {
  return text
    .split('\n')
    .map((line) => {
      const match = ROW.exec(line);
      if (!match) return line;
      const [, row, promise] = match.map((part) => part.trim());
      const tests = found.filter(({ rows }) => rows.includes(row)).map(({ title, file }) => `\`${cell(title)}\` in \`${file}\``);
      return `| ${row} | ${promise} |${tests.length > 0 ? ` ${tests.join('<br>')} ` : ' '}|`;
    })
    .join('\n');
}

/**
 * What keeps a promise from counting, one line each; empty when all is well.
 * @param {ReturnType<typeof readTable>} table
 * @param {{ file: string, title: string, status: string }[]} results
 * @param {(title: string) => RegExp} pattern
 * @param {(file: string) => boolean} [mayBeLeftOut] files that need what this machine may lack
 */
export function unmetPromises(table, results, pattern, mayBeLeftOut = () => false) {
  const problems = [];
  for (const { row, tests } of table) {
    if (tests.length === 0) problems.push(`${row}: no test names it`);
    for (const { title, file } of tests) {
      const matcher = pattern(title);
      const ran = results.filter((result) => ranIn(result.file, file) && matcher.test(cell(result.title)));
      if (ran.length === 0 && !mayBeLeftOut(file)) problems.push(`${row}: did not run: ${file}: ${title}`);
      for (const result of ran) {
        if (result.status !== 'passed') problems.push(`${row}: ${result.status}: ${file}: ${result.title}`);
      }
    }
  }
  return problems;
}

/** A suite's tests are reported under the specs of its folder that run it. */
function ranIn(resultFile, file) {
  return /\.(suite|contract)\.ts$/.test(file) ? dirname(resultFile) === dirname(file) : resultFile === file;
}

/**
 * Promises that name no test, or one that is in no source file.
 * @param {ReturnType<typeof readTable>} table
 * @param {{ file: string, title: string }[]} found
 */
export function unknownTests(table, found) {
  return table.flatMap(({ row, tests }) => {
    const unknown = tests.filter(({ title, file }) => !found.some((test) => test.file === file && cell(test.title).endsWith(title)));
    const problems = unknown.map(({ title, file }) => `${row}: no such test: ${file}: ${title}`);
    return tests.length === 0 ? [`${row}: names no test`] : problems;
  });
}
