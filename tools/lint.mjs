/**
 * Lints the repository, or the paths given: node tools/lint.mjs [--fix] [--no-cache] [path …]
 * The dependency rules read Nx's project graph and are silent without one, so it is computed first.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const environment = { ...process.env, NX_DAEMON: 'false', FORCE_COLOR: process.env.FORCE_COLOR ?? (process.stdout.isTTY ? '1' : '0') };
const node = (script, scriptArguments, stdio) => spawnSync(process.execPath, [join(root, script), ...scriptArguments], { cwd: root, stdio, env: environment });

const graph = node('node_modules/nx/dist/bin/nx.js', ['show', 'projects'], ['ignore', 'ignore', 'inherit']);
if (graph.status !== 0) {
  console.error('The project graph could not be computed; dependency rules would not be checked.');
  process.exit(1);
}
// With --no-cache also those findings are renewed that depend on other files than the one linted.
const useCache = !process.argv.includes('--no-cache');
const lintArguments = process.argv.slice(2).filter((argument) => argument !== '--no-cache');
const paths = lintArguments.some((argument) => !argument.startsWith('-')) ? [] : ['.'];
const cache = !useCache ? [] : ['--cache', '--cache-strategy', 'content', '--cache-location', 'node_modules/.cache/switchyard/eslint/'];
const result = node('node_modules/eslint/bin/eslint.js', [...cache, '--max-warnings', '0', ...lintArguments, ...paths], 'inherit');
if (result.status === 0) console.log('Lint: no problems.');
process.exitCode = result.status ?? 1;
