/**
 * Helm and its helpers, pinned by go/go.mod and built from their own sources with Go into the user's cache folder. A helm on PATH serves as well when it is
 * recent enough; the others are never taken from PATH, since their output and their checks differ between versions.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir, platform } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODULE = fileURLToPath(new URL('go', import.meta.url));
const EXECUTABLE_SUFFIX = platform() === 'win32' ? '.exe' : '';
const BUILD_TIMEOUT_MS = 900_000;
const PROBE_TIMEOUT_MS = 20_000;
/** Renders what the pinned one renders: older ones do not know some functions, newer majors have other words. */
const OLDEST_HELM = [3, 14];

const PACKAGES = {
  helm: 'helm.sh/helm/v3/cmd/helm',
  kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform',
  'helm-docs': 'github.com/norwoodj/helm-docs/cmd/helm-docs',
  'helm-unittest': 'github.com/helm-unittest/helm-unittest/cmd/helm-unittest',
};

export const TOOL_NAMES = Object.keys(PACKAGES);

function cacheFolder() {
  if (process.env.XDG_CACHE_HOME) return process.env.XDG_CACHE_HOME;
  if (platform() === 'win32') return process.env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local');
  return platform() === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
}

/** Other pins, other folder: a tool found there is the one that go.sum names. */
function toolFolder() {
  const pins = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) pins.update(readFileSync(join(MODULE, file)));
  return join(cacheFolder(), 'switchyard', 'chart-tools', pins.digest('hex').slice(0, 12));
}

function hasHelmOnPath() {
  const { status, stdout } = spawnSync('helm', ['version', '--template', '{{.Version}}'], { encoding: 'utf8', timeout: PROBE_TIMEOUT_MS });
  const [, major, minor] = (status === 0 && /^v(\d+)\.(\d+)\./.exec(stdout)) || [];
  return Number(major) === OLDEST_HELM[0] && Number(minor) >= OLDEST_HELM[1];
}

export const hasGo = () => spawnSync('go', ['version'], { stdio: 'ignore', timeout: PROBE_TIMEOUT_MS }).status === 0;

/** Path of a tool that is there, else undefined. */
export function findTool(name) {
  const built = join(toolFolder(), name + EXECUTABLE_SUFFIX);
  if (existsSync(built)) return built;
  return name === 'helm' && hasHelmOnPath() ? 'helm' : undefined;
}

/**
 * Builds a tool unless it is there, and tells its path.
 * @throws Error in one sentence when Go is missing or the build fails.
 */
export function installTool(name) {
  const found = findTool(name);
  if (found) return found;
  const source = PACKAGES[name];
  if (!source) throw new Error(`No such tool: ${name}. There are: ${TOOL_NAMES.join(', ')}.`);
  if (!hasGo()) throw new Error(`${name} is not here and cannot be built: there is no Go.`);
  const path = join(toolFolder(), name + EXECUTABLE_SUFFIX);
  const unfinished = `${path}.${process.pid}.tmp`;
  mkdirSync(toolFolder(), { recursive: true });
  const buildArguments = ['build', '-trimpath', '-mod=readonly', '-ldflags', `-s -w ${linkerFlags(name)}`, '-o', unfinished, source];
  const { status, stderr, error } = spawnSync('go', buildArguments, { cwd: MODULE, encoding: 'utf8', timeout: BUILD_TIMEOUT_MS });
  if (status !== 0) {
    rmSync(unfinished, { force: true });
    throw new Error(`${name} could not be built: ${error?.message ?? stderr.trim().split('\n').at(-1)}`);
  }
  renameSync(unfinished, path);
  return path;
}

/** What Helm's own release build sets: without it, rendering believes in Kubernetes 1.20. */
function linkerFlags(name) {
  if (name !== 'helm') return '';
  const version = (module) => new RegExp(`^\\s+${module.replaceAll('.', '\\.')} (v\\S+)`, 'm').exec(readFileSync(join(MODULE, 'go.mod'), 'utf8'))?.[1] ?? '';
  const minor = version('k8s.io/client-go').split('.')[1];
  const defaults = ['pkg/chartutil', 'pkg/lint/rules'].map((folder) => `helm.sh/helm/v3/${folder}`);
  const kubernetes = defaults.flatMap((folder) => [`-X ${folder}.k8sVersionMajor=1`, `-X ${folder}.k8sVersionMinor=${minor}`]);
  return [`-X helm.sh/helm/v3/internal/version.version=${version('helm.sh/helm/v3')}`, ...kubernetes].join(' ');
}
