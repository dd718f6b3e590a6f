/**
 * Finds the tests that name rows of the parity table in their titles: `it('streams [C02]', …)`, or a `describe` around them.
 * A `*.suite.ts` is run by specs of its folder, over each shape of the platform. Titles are read from the sources; what a loop or `it.each` fills in becomes `*`.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import ts from 'typescript';

const TAG = /\[([A-Z]\d{2}(?:[ ,]+[A-Z]\d{2})*)\]/g;
const TEST_CALL = /^(it|test)\b/;
const GROUP_CALL = /^describe\b/;

/** Row ids in a title. */
export function rowsOf(title) {
  return [...title.matchAll(TAG)].flatMap(([, rows]) => rows.split(/[ ,]+/));
}

function titleOf(node) {
  if (ts.isStringLiteralLike(node)) return node.text.replace(/%[sdifjop#$]|\$[a-zA-Z_.]+/g, '*');
  if (ts.isTemplateExpression(node)) return node.head.text + node.templateSpans.map((span) => `*${span.literal.text}`).join('');
  return undefined;
}

/**
 * Tests that name rows; with `everyTest` also those that name none.
 * @returns {{ file: string, title: string, rows: string[] }[]} in the order of the files and of their lines
 */
export function scanSource(file, text, { everyTest = false } = {}) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found = [];
  const visit = (node, groups) => {
    let inner = groups;
    const title = ts.isCallExpression(node) && node.arguments[0] ? titleOf(node.arguments[0]) : undefined;
    if (title !== undefined) {
      const callee = node.expression.getText(source);
      if (GROUP_CALL.test(callee)) inner = [...groups, title];
      else if (TEST_CALL.test(callee) || rowsOf(title).length > 0) {
        const fullTitle = [...groups, title].join(' ');
        const rows = [...new Set(rowsOf(fullTitle))];
        if (rows.length > 0 || everyTest) found.push({ file, title: fullTitle, rows });
      }
    }
    ts.forEachChild(node, (child) => visit(child, inner));
  };
  visit(source, []);
  return found;
}

/** Every such test below the folders. */
export function scanTitles(root, folders, options = {}) {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .map(String)
      .filter((file) => /\.(spec|suite|contract)\.ts$/.test(file) && !file.split(sep).some((part) => part === 'node_modules' || part === 'dist'))
      .sort()
      .flatMap((file) => {
        const path = join(root, folder, file);
        return scanSource(relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8'), options);
      }),
  );
}

/** A title with `*` matched against the full name that Jest reports. */
export function titlePattern(title) {
  return new RegExp(
    `${title
      .split('*')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
    's',
  );
}
