// Finds a real Prometheus with its promtool, for the checks of dashboards and alert rules: the folder that PROMETHEUS_HOME names, else PATH, else our cache, else
// Debian's package, which needs no installation: it is downloaded (19 MB) and unpacked into the cache, by any user who has package lists.
// As a program: `node tools/prometheus/get-prometheus.mjs` prints one line of JSON, {"prometheus", "promtool"}, or says what is missing.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FETCH_TIMEOUT_MS = 240_000;
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'switchyard', 'prometheus');

export class PrometheusUnavailable extends Error {
  name = 'PrometheusUnavailable';
}

/** {prometheus, promtool}: paths of programs. @throws PrometheusUnavailable */
export function getPrometheus() {
  return findPrometheus() ?? fetchPackage();
}

/** What is here already, or undefined. */
export function findPrometheus() {
  const folders = [process.env.PROMETHEUS_HOME ?? '', ...(process.env.PATH ?? '').split(delimiter), join(CACHE, 'usr', 'bin')];
  for (const folder of folders.filter((each) => each !== '')) {
    const programs = { prometheus: join(folder, 'prometheus'), promtool: join(folder, 'promtool') };
    if (existsSync(programs.prometheus) && existsSync(programs.promtool)) return programs;
  }
  return undefined;
}

function fetchPackage() {
  if (!succeeds('apt-get', ['--version']) || !succeeds('dpkg-deb', ['--version'])) {
    throw new PrometheusUnavailable('Prometheus is neither on PATH nor in PROMETHEUS_HOME, and this machine has no Debian packages to take it from.');
  }
  const parent = join(CACHE, '..');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'prometheus.partial-'));
  try {
    if (!download(folder) && process.getuid?.() === 0) {
      // A machine that was just set up has no package lists yet.
      run('apt-get', ['-q', 'update'], folder);
      download(folder);
    }
    const file = readdirSync(folder).find((name) => name.endsWith('.deb'));
    if (file === undefined) throw new PrometheusUnavailable('Debian’s package `prometheus` could not be downloaded; `apt-get update` as root may help.');
    run('dpkg-deb', ['-x', file, 'unpacked'], folder);
    return keep(join(folder, 'unpacked'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function keep(unpacked) {
  try {
    renameSync(unpacked, CACHE);
  } catch (error) {
    // Somebody else was faster.
    if (findPrometheus() === undefined) throw error;
  }
  const found = findPrometheus();
  if (found === undefined) throw new PrometheusUnavailable('The package `prometheus` holds no prometheus and promtool.');
  return found;
}

function download(folder) {
  run('apt-get', ['-q', 'download', 'prometheus'], folder);
  return readdirSync(folder).some((name) => name.endsWith('.deb'));
}

function succeeds(command, commandArguments) {
  return run(command, commandArguments).status === 0;
}

function run(command, commandArguments, cwd) {
  return spawnSync(command, commandArguments, { cwd, stdio: 'ignore', timeout: FETCH_TIMEOUT_MS });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(JSON.stringify(getPrometheus()));
  } catch (error) {
    if (!(error instanceof PrometheusUnavailable)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
