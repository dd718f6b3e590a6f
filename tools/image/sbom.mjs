// The bill of materials of the image, as CycloneDX JSON on standard output:
//
//   node tools/image/sbom.mjs > switchyard.cdx.json
//
// Lists the packages of package-lock.json that the image's production installation has, the workspaces it contains, and Node itself; what the base
// image brings is told by scanners of images. Needs npm 10.1 or newer and no network.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
const OURS = /^(libs|services)\//;

/** `name@version` of every package that `npm ci --omit=dev --omit=optional` installs, by the lock file. */
export function productionPackages(lockfile) {
  return new Set(
    Object.entries(lockfile.packages)
      .filter(([path, entry]) => path.includes('node_modules/') && !entry.link && !entry.dev && !entry.optional && !entry.devOptional)
      .map(([path, entry]) => `${entry.name ?? path.split('node_modules/').at(-1)}@${entry.version}`),
  );
}

/** `name@version` of the workspaces that are in the image. */
export function imageWorkspaces(lockfile) {
  return new Set(
    Object.entries(lockfile.packages)
      .filter(([path]) => OURS.test(path))
      .map(([path, entry]) => `${entry.name ?? path}@${entry.version}`),
  );
}

/** `name@version` of a component: its purl has the scope, which its name may lack. */
export function nameOf(component) {
  return decodeURIComponent(component.purl.replace(/^pkg:npm\//, '').replace(/\?.*$/, ''));
}

/**
 * The document that npm made of the whole lock file, without what the image does not have. npm's own `--omit=dev` is not used: it also leaves out
 * packages that both production and development need. @throws Error that names packages of the lock file that npm does not tell of
 */
export function imageBill(document, lockfile, nodeVersion) {
  const wanted = new Set([...productionPackages(lockfile), ...imageWorkspaces(lockfile)]);
  const components = document.components.filter((component) => wanted.has(nameOf(component)));
  const told = new Set(components.map(nameOf));
  const missing = [...productionPackages(lockfile)].filter((name) => !told.has(name));
  if (missing.length > 0) throw new Error(`npm does not tell of ${missing.join(', ')}`);
  const node = {
    'bom-ref': `node@${nodeVersion}`,
    type: 'platform',
    name: 'node',
    version: nodeVersion,
    purl: `pkg:generic/node@${nodeVersion}`,
    scope: 'required',
  };
  const product = { ...document.metadata.component, name: 'switchyard' };
  const references = new Set([product['bom-ref'], ...components.map((component) => component['bom-ref'])]);
  const dependencies = document.dependencies
    .filter(({ ref }) => references.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((dependency) => references.has(dependency)) }));
  return { ...document, metadata: { ...document.metadata, component: product }, components: [...components, node], dependencies };
}

function main() {
  const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const [, nodeVersion] = /^ARG NODE_VERSION=(\S+)/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  const npm = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'];
  const { status, stdout, stderr } = spawnSync('npm', npm, { cwd: root, encoding: 'utf8', maxBuffer: MAX_OUTPUT_BYTES });
  if (status !== 0) throw new Error(`npm sbom failed: ${stderr}`);
  process.stdout.write(`${JSON.stringify(imageBill(JSON.parse(stdout), lockfile, nodeVersion), undefined, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
