// Runs one Jaeger (all-in-one, traces in memory) on loopback, for the test that reads a trace back: built from its own sources with Go into the user's cache
// folder, pinned by go/go.mod, or in a container where Docker answers. As a program: `node tools/jaeger/jaeger.mjs` builds it and tells its path.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, platform } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MODULE = fileURLToPath(new URL('go', import.meta.url));
const PACKAGE = 'github.com/jaegertracing/jaeger/cmd/all-in-one';
const IMAGE = 'jaegertracing/all-in-one:1.62.0';
const EXECUTABLE = platform() === 'win32' ? 'jaeger.exe' : 'jaeger';
const BUILD_TIMEOUT_MS = 900_000;
const PROBE_TIMEOUT_MS = 20_000;
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

export class JaegerUnavailable extends Error {
  name = 'JaegerUnavailable';
}

/** How Jaeger can run here: 'built', 'docker', 'go' (when it is built first), or undefined. */
export function findJaeger() {
  if (existsSync(programPath())) return 'built';
  if (succeeds('docker', ['info'])) return 'docker';
  return succeeds('go', ['version']) ? 'go' : undefined;
}

/** Builds it unless it is there, and tells its path. @throws JaegerUnavailable */
export function installJaeger() {
  const path = programPath();
  if (existsSync(path)) return path;
  const unfinished = `${path}.${process.pid}.tmp`;
  mkdirSync(programFolder(), { recursive: true });
  const buildArguments = ['build', '-trimpath', '-mod=readonly', '-ldflags', '-s -w', '-o', unfinished, PACKAGE];
  const { status, stderr, error } = spawnSync('go', buildArguments, { cwd: MODULE, encoding: 'utf8', timeout: BUILD_TIMEOUT_MS });
  if (status !== 0) {
    rmSync(unfinished, { force: true });
    throw new JaegerUnavailable(`Jaeger could not be built: ${error?.message ?? stderr.trim().split('\n').at(-1)}`);
  }
  renameSync(unfinished, path);
  return path;
}

/** Answers {otlpUrl: for OTLP over gRPC, queryUrl: of its HTTP API, stop()} once it takes traces. @throws JaegerUnavailable */
export async function startJaeger() {
  const runtime = findJaeger();
  if (runtime === undefined) throw new JaegerUnavailable('Jaeger needs Go, or Docker.');
  const [otlp, query, admin, ...others] = await freePorts(8);
  const child = runtime === 'docker' ? spawnContainer(otlp, query) : spawnProgram(installJaeger(), otlp, query, admin, others);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output = `${output}${piece}`.slice(-4000)));
  const exited = new Promise((done) => child.once('error', done).once('exit', done));
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  const queryUrl = `http://127.0.0.1:${query}`;
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  while (!(await answers(`${queryUrl}/api/services`))) {
    if (child.exitCode !== null || performance.now() > deadlineMs) {
      await stop();
      throw new JaegerUnavailable(`Jaeger did not become ready:\n${output}`);
    }
    await delay(POLL_MS);
  }
  return { otlpUrl: `http://127.0.0.1:${otlp}`, queryUrl, stop };
}

/** Every port that it would open elsewhere is on loopback and free. */
function spawnProgram(path, otlp, query, admin, [otlpHttp, queryGrpc, collectorGrpc, collectorHttp, agentHttp]) {
  const ports = {
    'collector.otlp.grpc.host-port': otlp,
    'collector.otlp.http.host-port': otlpHttp,
    'query.http-server.host-port': query,
    'query.grpc-server.host-port': queryGrpc,
    'admin.http.host-port': admin,
    'collector.grpc-server.host-port': collectorGrpc,
    'collector.http-server.host-port': collectorHttp,
    'http-server.host-port': agentHttp,
    'processor.jaeger-binary.server-host-port': 0,
    'processor.jaeger-compact.server-host-port': 0,
    'processor.zipkin-compact.server-host-port': 0,
  };
  const programArguments = Object.entries(ports).map(([name, port]) => `--${name}=127.0.0.1:${port}`);
  return spawn(path, programArguments, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, SPAN_STORAGE_TYPE: 'memory' } });
}

function spawnContainer(otlp, query) {
  const published = [`127.0.0.1:${otlp}:4317`, `127.0.0.1:${query}:16686`].flatMap((port) => ['-p', port]);
  return spawn('docker', ['run', '--rm', '--init', ...published, IMAGE, '--collector.otlp.grpc.host-port=0.0.0.0:4317'], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Other pins, other folder. */
function programFolder() {
  const pins = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) pins.update(readFileSync(join(MODULE, file)));
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'switchyard', 'jaeger', pins.digest('hex').slice(0, 12));
}

function programPath() {
  return join(programFolder(), EXECUTABLE);
}

function succeeds(command, commandArguments) {
  return spawnSync(command, commandArguments, { stdio: 'ignore', timeout: PROBE_TIMEOUT_MS }).status === 0;
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** All taken at once, so that none is given twice. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((done) => {
          const server = createServer().listen(0, '127.0.0.1', () => done(server));
        }),
    ),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const startTime = performance.now();
  console.log(`jaeger: ${installJaeger()} (${((performance.now() - startTime) / 1000).toFixed(0)} s)`);
}
