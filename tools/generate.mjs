/** Renews everything that is generated and committed: protocol code, reference pages, the parity table's column of tests. */
import { spawnSync } from 'node:child_process';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const environment = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}` };
const buf = join(root, 'node_modules/.bin', process.platform === 'win32' ? 'buf.cmd' : 'buf');

const steps = [
  [buf, ['lint']],
  [buf, ['generate']],
  [process.execPath, ['tools/build.mjs']],
  [process.execPath, ['tools/generate-docs.mjs']],
  [process.execPath, ['tools/parity/parity.mjs', '--write']],
];
for (const [command, stepArguments] of steps) {
  const { status, error } = spawnSync(command, stepArguments, { cwd: root, stdio: 'inherit', env: environment });
  if (status !== 0) {
    console.error(error?.message ?? `${command} ${stepArguments.join(' ')} failed.`);
    process.exit(status ?? 1);
  }
}
