/**
 * Type-checks one project and what it imports: node tools/typecheck-project.mjs libs/core
 * (The whole repository at once, which is quicker than the sum of its projects: npm run typecheck.)
 */
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const [project] = process.argv.slice(2);
if (!project) {
  console.error('Usage: node tools/typecheck-project.mjs <project folder>');
  process.exit(2);
}
const { config } = ts.readConfigFile(join(root, 'tsconfig.base.json'), ts.sys.readFile);
const host = { getCanonicalFileName: (file) => file, getCurrentDirectory: () => root, getNewLine: () => '\n' };
const { options, fileNames } = ts.parseJsonConfigFileContent(
  { ...config, include: [`${project}/**/*.ts`], exclude: ['**/dist', '**/node_modules'] },
  ts.sys,
  root,
);
const diagnostics = ts.getPreEmitDiagnostics(ts.createProgram(fileNames, options));
if (diagnostics.length > 0) console.error(ts.formatDiagnosticsWithColorAndContext(diagnostics, host));
console.log(`${project}: ${fileNames.length} files, ${diagnostics.length} problems.`);
process.exitCode = diagnostics.length > 0 ? 1 : 0;
