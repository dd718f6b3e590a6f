import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from '@jest/globals';
import { call, MODELS, type PlatformContract } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

const PROGRAM = resolve(import.meta.dirname, '../../../services/all/dist/main.js');
const SERVES = { timeoutMs: 120_000, intervalMs: 250 };

/** A further ingress of a platform, with a folder of its own. */
export class FurtherIngress implements AsyncDisposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'switchyard-alerts-'));
  private child: ChildProcess | undefined;

  constructor(
    private readonly platform: PlatformContract,
    private readonly port: number,
  ) {}

  /** Over the folder that it had before. */
  start(environment: Readonly<Record<string, string>> = {}): void {
    const { grpcAddresses, eventLog } = this.platform;
    const addresses = Object.entries(grpcAddresses!).map(([target, address]) => [`SWITCHYARD_${target.toUpperCase()}_ADDRESS`, address]);
    this.child = spawn(process.execPath, [PROGRAM, 'serve', '--target=ingress'], {
      stdio: 'ignore',
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: process.env['HOME'] ?? '',
        ...Object.fromEntries(addresses),
        KAFKA_BROKERS: eventLog!.kafkaBrokers!,
        SWITCHYARD_HTTP_PORT: String(this.port),
        SWITCHYARD_DATA_DIR: this.folder,
        ...environment,
      },
    });
  }

  /** A paid request; resolves to the status of its answer. */
  async ask(): Promise<number> {
    const body = { model: MODELS.writer, max_tokens: 50, messages: [{ role: 'user', content: 'say 2 words' }] };
    return (await call(`http://127.0.0.1:${this.port}/v1`, '/chat/completions', { key: this.platform.apiKey, body })).status;
  }

  /** Waits until a request is answered. */
  async serves(): Promise<void> {
    await eventually(async () => expect(await this.ask()).toBe(200), SERVES);
  }

  /** What the system lets it write into files, as `prlimit` spells it: as on a full disk, what goes beyond is refused. */
  limitFiles(most: '0' | 'unlimited'): void {
    execFileSync('prlimit', ['--pid', String(this.child!.pid), `--fsize=${most}:`]);
  }

  /** At once, as a machine dies. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
