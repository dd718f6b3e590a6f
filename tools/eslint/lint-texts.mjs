/**
 * Lints texts as if they were the files named: [{ file, text }] on stdin → [{ file, rules: { rule, message }[] }] on stdout.
 * Files need not exist, so the rules that need types are off. test/tidy uses it to prove that the rules fire.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
process.env.NX_DAEMON = 'false';
const graph = spawnSync(process.execPath, [join(root, 'node_modules/nx/dist/bin/nx.js'), 'show', 'projects'], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
});
if (graph.status !== 0) process.exit(1);

const eslint = new ESLint({ cwd: root, overrideConfig: { files: ['**/*.ts'], ...tseslint.configs.disableTypeChecked } });
const results = [];
for (const { file, text } of JSON.parse(await readAll(process.stdin))) {
  const [result] = await eslint.lintText(text, { filePath: join(root, file), warnIgnored: true });
  results.push({ file, rules: (result?.messages ?? []).map(({ ruleId, message }) => ({ rule: ruleId ?? 'parse', message })) });
}
process.stdout.write(JSON.stringify(results));
