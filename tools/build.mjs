/**
 * Builds every project: src/**.ts → dist/**.js (swc, with source maps), other files of src are copied as they are.
 * Incremental by each file's time and size; files whose source is gone leave dist. Specs are not built.
 *
 *   node tools/build.mjs                  the whole repository
 *   node tools/build.mjs libs/core …      only these projects
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformFile, version as swcVersion } from '@swc/core';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const GROUPS = ['libs', 'services', 'test'];
const CONCURRENT_FILES = 8;

const swcOptions = JSON.parse(await readFile(join(root, '.swcrc'), 'utf8'));
delete swcOptions.$schema;
const configStamp = createHash('sha256')
  .update(`${swcVersion}${JSON.stringify(swcOptions)}`)
  .digest('hex')
  .slice(0, 16);

async function allProjects() {
  const found = [];
  for (const group of GROUPS) {
    for (const name of (await readdir(join(root, group))).sort()) {
      if (existsSync(join(root, group, name, 'package.json')) && existsSync(join(root, group, name, 'src'))) found.push(join(group, name));
    }
  }
  return found;
}

async function filesBelow(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(directory, join(entry.parentPath ?? entry.path, entry.name)));
}

const isForSpecs = (file) => /\.(spec|fake)\.ts$/.test(file) || file.split(sep).includes('fixtures');
const isSource = (file) => /\.ts$/.test(file) && !/\.d\.ts$/.test(file);
const outputOf = (file) => (isSource(file) ? file.replace(/\.ts$/, '.js') : file);

async function readStamp(dist) {
  try {
    const stamp = JSON.parse(await readFile(join(dist, '.build.json'), 'utf8'));
    return stamp.config === configStamp ? stamp.files : {};
  } catch {
    return {};
  }
}

// Written beside its place and then moved, so that a program or another build never reads half a file.
async function replaceFile(path, content) {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, content);
  await rename(temporary, path);
}

async function buildFile(source, target) {
  await mkdir(dirname(target), { recursive: true });
  if (!isSource(source)) {
    await copyFile(source, target);
    return;
  }
  const { code, map } = await transformFile(source, { ...swcOptions, swcrc: false, configFile: false, sourceFileName: relative(dirname(target), source) });
  if (map) await replaceFile(`${target}.map`, map);
  await replaceFile(target, map ? `${code}//# sourceMappingURL=${target.split(sep).at(-1)}.map\n` : code);
}

async function removeStale(dist, files) {
  const wanted = new Set(['.build.json', ...files.flatMap((file) => [outputOf(file), `${outputOf(file)}.map`])]);
  for (const file of await filesBelow(dist)) {
    if (!wanted.has(file) && !file.endsWith('.tmp')) await rm(join(dist, file), { force: true });
  }
}

async function buildProject(project) {
  const source = join(root, project, 'src');
  const dist = join(root, project, 'dist');
  const files = (await filesBelow(source)).filter((file) => !isForSpecs(file));
  const before = existsSync(dist) ? await readStamp(dist) : {};
  const after = {};
  const pending = [];
  for (const file of files) {
    const { mtimeMs, size } = await stat(join(source, file));
    after[file] = `${mtimeMs}:${size}`;
    if (before[file] !== after[file] || !existsSync(join(dist, outputOf(file)))) pending.push(file);
  }
  const count = pending.length;
  const failures = [];
  const builders = Array.from({ length: CONCURRENT_FILES }, async () => {
    for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
      try {
        await buildFile(join(source, file), join(dist, outputOf(file)));
      } catch (error) {
        delete after[file];
        failures.push(`${join(project, 'src', file)}: ${error.message}`);
      }
    }
  });
  await Promise.all(builders);
  await mkdir(dist, { recursive: true });
  await removeStale(dist, files);
  await replaceFile(join(dist, '.build.json'), JSON.stringify({ config: configStamp, files: after }));
  return { count, failures };
}

const startTime = performance.now();
const requested = process.argv.slice(2).map((path) => relative(root, resolve(path)));
const projects = requested.length > 0 ? requested : await allProjects();
let built = 0;
const failures = [];
for (const project of projects) {
  const result = await buildProject(project);
  built += result.count;
  failures.push(...result.failures);
}
for (const failure of failures) console.error(failure);
const seconds = ((performance.now() - startTime) / 1000).toFixed(1);
console.log(
  `Built ${built - failures.length} files of ${projects.length} projects in ${seconds} s${failures.length > 0 ? `, ${failures.length} failed` : ''}.`,
);
process.exitCode = failures.length > 0 ? 1 : 0;
