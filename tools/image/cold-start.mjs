// Cold start, target by target: milliseconds from the start of a process to its first ready answer at /readyz.
//
//   SWITCHYARD_DATABASE_URL=postgres://… node tools/image/cold-start.mjs [--times=5] [-- <command that runs the program>]
//
// The command is `node services/all/dist/main.js` unless another is given, for example `docker run --rm --network=host --env-…` with the image. Each target is
// started so many times while the ones that it calls run; its schema is there already. Prints the median and the slowest of each.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const FIRST_PORT = 19_300;
const POLL_MS = 10;
const READY_TIMEOUT_MS = 60_000;
/** In the order in which each finds what it calls. */
const TARGETS = ['worker', 'billing', 'analytics', 'router', 'ingress', 'all'];

const { values, positionals } = parseArgs({ options: { times: { type: 'string', default: '5' } }, allowPositionals: true });
const command = positionals.length > 0 ? positionals : [process.execPath, 'services/all/dist/main.js'];
const folder = mkdtempSync(join(tmpdir(), 'switchyard-cold-start-'));

const grpcPort = (target) => FIRST_PORT + 10 * TARGETS.indexOf(target);
const healthPort = (target) => grpcPort(target) + 1;

function environmentOf(target) {
  const addresses = Object.fromEntries(
    target === 'all'
      ? []
      : ['router', 'worker', 'billing', 'analytics'].map((name) => [`SWITCHYARD_${name.toUpperCase()}_ADDRESS`, `127.0.0.1:${grpcPort(name)}`]),
  );
  return {
    ...process.env,
    ...addresses,
    SWITCHYARD_DATA_DIR: join(folder, target),
    SWITCHYARD_BIND_HOST: '127.0.0.1',
    SWITCHYARD_GRPC_PORT: String(grpcPort(target)),
    SWITCHYARD_HEALTH_PORT: String(healthPort(target)),
    SWITCHYARD_HTTP_HOST: '127.0.0.1',
    SWITCHYARD_HTTP_PORT: String(grpcPort(target) + 2),
    SWITCHYARD_DRAIN_DELAY_MS: '0',
    SWITCHYARD_LOG_LEVEL: 'error',
  };
}

function isReady(port) {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path: '/readyz', timeout: 1000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    }).once('error', () => resolve(false));
  });
}

async function start(target) {
  const startMs = performance.now();
  const child = spawn(command[0], [...command.slice(1), 'serve', `--target=${target}`], { env: environmentOf(target), stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  while (!(await isReady(healthPort(target)))) {
    if (performance.now() - startMs > READY_TIMEOUT_MS || child.exitCode !== null) throw new Error(`${target} did not become ready`);
    await delay(POLL_MS);
  }
  const tookMs = performance.now() - startMs;
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  return { tookMs, stop };
}

const running = [];
try {
  console.log('target      median    slowest   (ms from process start to ready)');
  for (const target of TARGETS) {
    const times = [];
    for (let time = 0; time < Number(values.times); time++) {
      const process = await start(target);
      // The first start makes the schema.
      if (time > 0 || values.times === '1') times.push(process.tookMs);
      if (time < Number(values.times) - 1) await process.stop();
      else running.push(process);
    }
    times.sort((one, other) => one - other);
    console.log(`${target.padEnd(10)} ${times[Math.floor(times.length / 2)].toFixed(0).padStart(7)} ${times.at(-1).toFixed(0).padStart(10)}`);
  }
} finally {
  for (const process of running.reverse()) await process.stop();
  rmSync(folder, { recursive: true, force: true });
}
