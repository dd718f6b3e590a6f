/**
 * Puts into package-lock.json what `npm ci` demands and may be missing: node tools/complete-lockfile.mjs [--check]
 *
 * Packages for other platforms: npm leaves an optional package out when the registry it was run against does not carry it.
 * Version and platform follow from the package that asks for it. Projects of this repository: a new folder needs no installation,
 * only its two entries.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const path = join(root, 'package-lock.json');
const OPERATING_SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const PROCESSORS = {
  armv7: 'arm',
  aarch64: 'arm64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: 'ia32',
  loong64: 'loong64',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  x64: 'x64',
};

const lockfile = JSON.parse(readFileSync(path, 'utf8'));
const { packages } = lockfile;

/** Where npm would find `name` from the package at `from`, nested folders first. */
function isLocked(from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (packages[`${folder ? `${folder}/` : ''}node_modules/${name}`]) return true;
    if (folder === '') return false;
  }
}

function platformOf(name) {
  const parts = name.split(/[/-]/);
  const os = OPERATING_SYSTEMS.find((system) => parts.includes(system));
  const processor = Object.keys(PROCESSORS).find((known) => parts.includes(known));
  return os && processor ? { cpu: [PROCESSORS[processor]], os: [os] } : undefined;
}

const missing = Object.entries(packages).flatMap(([from, entry]) =>
  Object.entries(entry.optionalDependencies ?? {})
    .filter(([name]) => !isLocked(from, name))
    .map(([name, version]) => ({ from, name, version, parent: entry })),
);

const projects = ['libs', 'services', 'test'].flatMap((group) =>
  readdirSync(join(root, group))
    .filter((name) => existsSync(join(root, group, name, 'package.json')))
    .map((name) => ({ folder: `${group}/${name}`, manifest: JSON.parse(readFileSync(join(root, group, name, 'package.json'), 'utf8')) })),
);
const unlockedProjects = projects.filter(({ folder, manifest }) => !packages[folder] || !packages[`node_modules/${manifest.name}`]);
const gone = Object.keys(packages).filter((key) => /^(libs|services|test)\//.test(key) && !projects.some(({ folder }) => folder === key));

if (process.argv.includes('--check')) {
  for (const { from, name } of missing) console.error(`package-lock.json lacks ${name}, which ${from} asks for: node tools/complete-lockfile.mjs`);
  for (const { folder } of unlockedProjects) console.error(`package-lock.json lacks ${folder}: node tools/complete-lockfile.mjs`);
  for (const folder of gone) console.error(`package-lock.json names ${folder}, which is gone: node tools/complete-lockfile.mjs`);
  process.exit(missing.length + unlockedProjects.length + gone.length > 0 ? 1 : 0);
}
for (const { name, version, parent } of missing) {
  const platform = platformOf(name);
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version) || !platform) throw new Error(`The version or the platform of ${name}@${version} cannot be told.`);
  packages[`node_modules/${name}`] = {
    version,
    cpu: platform.cpu,
    ...(parent.dev ? { dev: true } : {}),
    license: parent.license,
    optional: true,
    os: platform.os,
  };
}
for (const { folder, manifest } of unlockedProjects) {
  packages[folder] = { name: manifest.name, version: manifest.version };
  packages[`node_modules/${manifest.name}`] = { resolved: folder, link: true };
}
for (const folder of gone) {
  for (const [key, entry] of Object.entries(packages)) if (key === folder || entry.resolved === folder) delete packages[key];
}
if (missing.length + unlockedProjects.length + gone.length > 0) {
  lockfile.packages = Object.fromEntries(Object.entries(packages).sort(([left], [right]) => left.localeCompare(right, 'en')));
  writeFileSync(path, `${JSON.stringify(lockfile, null, 2)}\n`);
}
console.log(
  `package-lock.json: added ${missing.length} packages for other platforms and ${unlockedProjects.length} projects, removed ${gone.length} projects.`,
);
