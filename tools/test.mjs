/**
 * Every check of the repository, in order: npm test [-- phase …]
 *
 * Each phase is one process with a time limit. The sums come from what Jest reports (lint, type check, parity and
 * guarantees count as one test each); the last line is `N passed, N failed`, and the exit code says the same.
 *
 * Suites that need Apache Kafka are files named *.kafka.spec.ts. They run where a broker is given (KAFKA_BROKERS), or Docker,
 * or a JDK with Maven is there. Elsewhere they are left out, which is said loudly, and is a failure when CI=true. The same holds
 * for the Helm chart, whose tools are built with Go when they are missing: from the start of the run on, out of the others' way; and
 * for dashboards and alerts, which need a Prometheus (tools/prometheus).
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TOOL_NAMES, findTool, hasGo } from './chart/chart-tools.mjs';
import { findJaeger } from './jaeger/jaeger.mjs';
import { getPrometheus } from './prometheus/get-prometheus.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const resultsDirectory = join(root, 'test-results');
const isContinuousIntegration = process.env.CI === 'true' || process.env.CI === '1';
const MINUTE_MS = 60_000;
const KILL_GRACE_MS = 10_000;

const script = (path, scriptArguments = []) => [join(root, path), ...scriptArguments];
const jest = (folders, options = []) => [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  ...script('node_modules/jest/bin/jest.js', ['-c', 'jest.config.mjs', '--ci', '--passWithNoTests', ...options]),
  '--testPathPatterns',
  ...folders.map((folder) => `${join(root, folder)}/`.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')),
];
/** A phase that runs the tests of folders with Jest. */
const suite = (name, folders, { minutes = 15, options = [], beside = false } = {}) => ({
  name,
  folders,
  command: jest(folders, options),
  limitMs: minutes * MINUTE_MS,
  beside,
});

/**
 * In the order they are shown: what is cheap and says most comes first; what reads the results comes last. `beside`: these wait more than they work, so they
 * start after the build, one after another next to the others, and their output is shown when their turn comes. The two rows take about as long as each other.
 */
const PHASES = [
  { name: 'build', command: script('tools/build.mjs'), limitMs: 5 * MINUTE_MS, essential: true },
  { name: 'lint', command: script('tools/lint.mjs', ['--no-cache']), limitMs: 10 * MINUTE_MS },
  { name: 'format', command: script('node_modules/prettier/bin/prettier.cjs', ['--check', '--log-level', 'warn', '.']), limitMs: 5 * MINUTE_MS },
  { name: 'typecheck', command: script('node_modules/typescript/bin/tsc', ['--build']), limitMs: 10 * MINUTE_MS },
  suite('unit', ['libs', 'services', 'tools']),
  suite('contract', ['test/contract'], { beside: true }),
  suite('race', ['test/race'], { options: ['--maxWorkers=1'], beside: true }),
  suite('compat', ['test/compat']),
  suite('chaos', ['test/chaos'], { options: ['--maxWorkers=1'] }),
  suite('monitoring', ['test/monitoring'], { options: ['--maxWorkers=1'] }),
  suite('tidy', ['test/tidy', 'test/bench'], { minutes: 10 }),
  { name: 'chart', command: script('tools/chart/check.mjs'), limitMs: 10 * MINUTE_MS },
  suite('e2e', ['test/e2e'], { minutes: 30, options: ['--maxWorkers=1'], beside: true }),
  suite('telemetry', ['test/telemetry'], { options: ['--maxWorkers=1'], beside: true }),
  { name: 'parity', command: script('tools/parity/parity.mjs', ['--results']), limitMs: MINUTE_MS },
  { name: 'guarantees', command: script('tools/parity/guarantees.mjs', ['--results']), limitMs: MINUTE_MS },
];

const succeeds = (command, commandArguments) => spawnSync(command, commandArguments, { stdio: 'ignore', timeout: 20_000 }).status === 0;

function kafkaProblem() {
  if (process.env.KAFKA_BROKERS) return undefined;
  if (succeeds('java', ['-version']) && succeeds('mvn', ['--version'])) return undefined;
  if (succeeds('docker', ['info'])) return undefined;
  return 'no KAFKA_BROKERS, no Docker, and no JDK with Maven';
}

function chartProblem() {
  const missing = TOOL_NAMES.filter((name) => !findTool(name));
  return missing.length === 0 || hasGo() ? undefined : `no Go to build ${missing.join(', ')} with`;
}

/** The suite with Jaeger is a file named *.jaeger.spec.ts; it builds Jaeger itself when the run's beginning has not. */
function jaegerProblem() {
  return findJaeger() === undefined ? 'no Go to build it with, and no Docker' : undefined;
}

function prometheusProblem() {
  try {
    getPrometheus();
    return undefined;
  } catch (error) {
    return error.message;
  }
}

/** From the start of the run on, out of the others' way. */
function buildJaeger() {
  if (findJaeger() !== 'go') return Promise.resolve();
  return inBackground(script('tools/jaeger/jaeger.mjs'));
}

function inBackground(command) {
  const child = spawn(process.execPath, command, { cwd: root, stdio: 'ignore' });
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  return new Promise((done) => child.once('error', done).once('exit', done));
}

/** Builds what is missing of the chart's tools; the phase itself tells what went wrong with it. */
function buildChartTools() {
  if (TOOL_NAMES.every((name) => findTool(name))) return Promise.resolve();
  return inBackground(script('tools/chart/install-tools.mjs'));
}

function banner(text) {
  const line = '!'.repeat(78);
  console.log(`\n${line}\n!! ${text}\n${line}\n`);
}

function runPhase({ name, command, limitMs, folders, beside }, leftOutKinds) {
  const startTime = performance.now();
  const output = [];
  if (!beside) console.log(`\n=== ${name} ===`);
  const environment = { ...process.env, NX_DAEMON: 'false', SWITCHYARD_RESULTS_FILE: folders ? join(resultsDirectory, `${name}.json`) : '' };
  const phaseArguments =
    folders && leftOutKinds.length > 0
      ? [...command, '--testPathIgnorePatterns', `\\.(${leftOutKinds.join('|')})\\.spec\\.ts$`, '/node_modules/', '/dist/']
      : command;
  return new Promise((done) => {
    const child = spawn(process.execPath, phaseArguments, { cwd: root, stdio: ['ignore', ...Array(2).fill(beside ? 'pipe' : 'inherit')], env: environment });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece) => output.push(piece));
    let timedOut = false;
    const limit = setTimeout(() => {
      timedOut = true;
      console.error(`${name} is stopped: it took longer than ${limitMs / MINUTE_MS} minutes.`);
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), KILL_GRACE_MS).unref();
    }, limitMs);
    const forward = (signal) => {
      isInterrupted = true;
      child.kill(signal);
    };
    process.once('SIGINT', forward).once('SIGTERM', forward);
    child.once('close', (code) => {
      clearTimeout(limit);
      process.removeListener('SIGINT', forward).removeListener('SIGTERM', forward);
      done({ name, ok: code === 0 && !timedOut, seconds: (performance.now() - startTime) / 1000, output });
    });
  });
}

function showCollected({ name, beside }, { output }) {
  if (!beside) return;
  console.log(`\n=== ${name} (beside the phases above) ===`);
  process.stdout.write(Buffer.concat(output));
}

/** What a phase adds to the sums. A suite that failed as a whole counts as one failure even when none of its tests did. */
function countsOf({ name, folders }, { ok, wasLeftOut }) {
  const path = join(resultsDirectory, `${name}.json`);
  if (!folders || wasLeftOut) return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 };
  const tests = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).tests : [];
  const count = (status) => tests.filter((test) => test.status === status).length;
  const failed = count('failed');
  const passed = count('passed');
  return { passed, failed: failed === 0 && !ok ? 1 : failed, skipped: tests.length - passed - failed };
}

function kafkaFiles(phases) {
  const files = phases
    .flatMap(({ folders = [] }) => folders)
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file))));
  return files.filter((file) => file.endsWith('.kafka.spec.ts') && !/(^|[\\/])(node_modules|dist)[\\/]/.test(file));
}

/** What cannot run here: a whole phase, or the files of a kind (*.kafka.spec.ts); how much that is, and why. */
function missingParts(chosen) {
  const has = (name) => chosen.some((phase) => phase.name === name);
  const parts = [];
  const add = (problem, part) => problem && parts.push({ ...part, problem });
  const files = kafkaFiles(chosen);
  if (files.length > 0)
    add(kafkaProblem(), { kind: 'kafka', count: files.length, what: `${files.length} files of tests that need Apache Kafka`, names: files.join(', ') });
  if (has('telemetry')) add(jaegerProblem(), { kind: 'jaeger', count: 1, what: 'The trace that is read back from a real Jaeger' });
  if (has('chart')) add(chartProblem(), { phase: 'chart', count: 1, what: 'The check of the Helm chart' });
  if (has('monitoring')) add(prometheusProblem(), { phase: 'monitoring', count: 1, what: 'The check of dashboards and alerts' });
  return parts;
}

/** Starts building tools that phases need; the phase itself tells what went wrong with it. */
function buildTools(phases) {
  const has = (name) => phases.some((phase) => phase.name === name);
  return new Map([
    ['chart', has('chart') ? buildChartTools() : undefined],
    ['telemetry', has('telemetry') ? buildJaeger() : undefined],
  ]);
}

/** One after another, next to the phases that run in order. */
function startBeside(phases, run) {
  const started = new Map();
  let last = Promise.resolve();
  for (const phase of phases.filter(({ beside }) => beside)) {
    last = last.then(() => run(phase));
    started.set(phase.name, last);
  }
  return started;
}

/** A signal ends the running phases, and no other begins. */
let isInterrupted = false;

async function runAll(phases, leftOutKinds) {
  const tools = buildTools(phases);
  const run = async (phase) => {
    await tools.get(phase.name);
    return isInterrupted ? { name: phase.name, ok: false, wasLeftOut: true, seconds: 0, output: [] } : runPhase(phase, leftOutKinds);
  };
  let started = new Map();
  const outcomes = [];
  for (const phase of phases) {
    const outcome = await (started.get(phase.name) ?? run(phase));
    showCollected(phase, outcome);
    outcomes.push({ ...outcome, counts: countsOf(phase, outcome) });
    if (!phase.essential) continue;
    if (!outcome.ok) break;
    started = startBeside(phases, run);
  }
  return outcomes;
}

async function main() {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !PHASES.some((phase) => phase.name === name));
  if (unknown.length > 0) {
    console.error(`No such phase: ${unknown.join(', ')}. There are: ${PHASES.map(({ name }) => name).join(', ')}.`);
    return 2;
  }
  const chosen = PHASES.filter(({ name, essential }) => essential || (wanted.length === 0 ? true : wanted.includes(name)));
  if (wanted.length === 0) rmSync(resultsDirectory, { recursive: true, force: true });
  mkdirSync(resultsDirectory, { recursive: true });

  const missing = missingParts(chosen);
  for (const { what, problem } of missing) banner(`${what} CANNOT RUN here: ${problem}.`);
  const phases = chosen.filter(({ name }) => !missing.some(({ phase }) => phase === name));
  const outcomes = await runAll(
    phases,
    missing.flatMap(({ kind }) => kind ?? []),
  );

  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { counts } of outcomes) for (const key of Object.keys(sum)) sum[key] += counts[key];
  for (const { count } of missing) sum[isContinuousIntegration ? 'failed' : 'skipped'] += count;
  console.log('');
  for (const { name, ok, seconds } of outcomes) console.log(`${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(10)} ${seconds.toFixed(1).padStart(7)} s`);
  for (const { what, problem, names } of missing) console.log(`Not run: ${names ?? what} (${problem})`);
  console.log(`\n${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`);
  return sum.failed > 0 ? 1 : 0;
}

process.exitCode = await main();
