import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from '@jest/globals';
import { eventually, freePort } from '@switchyard/testing';
import type { RacePlatform } from './race-platform.js';

export interface SkewedIngress {
  /** Like the platform's `ingressUrls`. */
  readonly url: string;
  stop(): Promise<void>;
}

const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');

/** A further ingress of the platform, whose wall clock is `skewMs` ahead of everybody else's. */
export async function startSkewedIngress(race: Pick<RacePlatform, 'platform' | 'clockOffsetMs'>, skewMs: number): Promise<SkewedIngress> {
  const { grpcAddresses, eventLog } = race.platform;
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-race-'));
  const port = await freePort();
  const addresses = Object.entries(grpcAddresses!).map(([target, address]) => [`SWITCHYARD_${target.toUpperCase()}_ADDRESS`, address]);
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--target=ingress'], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      ...Object.fromEntries(addresses),
      KAFKA_BROKERS: eventLog!.kafkaBrokers!,
      SWITCHYARD_HTTP_PORT: String(port),
      SWITCHYARD_DATA_DIR: folder,
      SWITCHYARD_DRAIN_DELAY_MS: '0',
      SWITCHYARD_CLOCK_OFFSET_MS: String(race.clockOffsetMs + skewMs),
      SWITCHYARD_MAX_CLOCK_SKEW_MS: String(2 * skewMs),
    },
  });
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await eventually(async () => expect((await fetch(`http://127.0.0.1:${port}/readyz`)).ok).toBe(true), { timeoutMs: 60_000, intervalMs: 100 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}/api/v1`, stop };
}
