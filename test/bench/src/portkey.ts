import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@switchyard/testing';
import { cacheFolder } from './cache-folder.js';
import { canPin, endProcess, GATEWAY_CORE } from './pinned-process.js';

/** Held where it is: with later ones streams of this version of the gateway end with an error. */
const PACKAGES = { '@portkey-ai/gateway': '1.15.2', '@hono/node-server': '1.13.8' };
const START_TIMEOUT_MS = 30_000;
const POLL_MS = 100;

export const PORTKEY_VERSION = PACKAGES['@portkey-ai/gateway'];

/** Fetches the peer once, with npm, into the user's cache. @throws Error with npm's words when it cannot be had */
export async function installPortkey(): Promise<string> {
  const manifest = JSON.stringify({ name: 'switchyard-bench-peer', private: true, dependencies: PACKAGES, overrides: { '@hono/node-server': '1.13.8' } });
  const folder = join(cacheFolder(), `portkey-${createHash('sha256').update(manifest).digest('hex').slice(0, 12)}`);
  if (existsSync(scriptIn(folder))) return folder;
  console.log('Fetching @portkey-ai/gateway for the comparison (once) …');
  // Whole and of the right version, or not at all: the next run takes what is there.
  const partial = `${folder}.partial-${process.pid}`;
  try {
    mkdirSync(partial, { recursive: true });
    writeFileSync(join(partial, 'package.json'), manifest);
    await npmInstall(partial);
    const { version } = JSON.parse(readFileSync(join(partial, 'node_modules/@hono/node-server/package.json'), 'utf8')) as { version: string };
    if (version !== PACKAGES['@hono/node-server']) throw new Error(`npm installed @hono/node-server ${version}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return folder;
}

/** Starts it, without its console, on the gateway's core. */
export async function portkeyScript(folder: string): Promise<{ readonly child: ChildProcess; readonly pid: number; readonly port: number }> {
  const port = await freePort();
  const command = [process.execPath, scriptIn(folder), '--headless', `--port=${port}`];
  const [file, ...rest] = canPin ? ['taskset', '-c', String(GATEWAY_CORE), ...command] : command;
  const child = spawn(file!, rest, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, NODE_ENV: 'production' } });
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > deadlineMs) {
      await endProcess(child);
      throw new Error(`it did not start (exit code ${child.exitCode})`);
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  return { child, pid: child.pid!, port };
}

function scriptIn(folder: string): string {
  return join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');
}

async function npmInstall(folder: string): Promise<void> {
  const child = spawn('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: process.env,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output = (output + piece.toString()).slice(-2_000)));
  const code = await new Promise((done) => child.once('error', (error) => done(error.message)).once('close', done));
  if (code !== 0) throw new Error(`npm could not install it (${String(code)}): ${output.trim().split('\n')[0] ?? ''}`);
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/`)).status < 500;
  } catch {
    return false;
  }
}
