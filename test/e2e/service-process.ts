import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { expect } from '@jest/globals';
import { eventually } from '@switchyard/testing';

export const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');
const READY_WITHIN_MS = 60_000;
const OUTPUT_LENGTH = 20_000;

/** The program, run as an operator runs it, with nothing of the test's own environment. */
export class ServiceProcess {
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | null>;
  private text = '';

  /** `output`: an open file for what it says, which `output` then does not have. */
  constructor(commandArguments: readonly string[], environment: Readonly<Record<string, string>>, output: 'pipe' | number = 'pipe') {
    this.child = spawn(process.execPath, [PROGRAM, ...commandArguments], {
      stdio: ['ignore', output, output],
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...environment },
    });
    const add = (piece: Buffer): void => void (this.text = (this.text + piece.toString()).slice(-OUTPUT_LENGTH));
    this.child.stdout?.on('data', add);
    this.child.stderr?.on('data', add);
    this.ended = new Promise((done) => this.child.once('exit', (code) => done(code)));
  }

  get output(): string {
    return this.text;
  }

  /** Resolves to the exit code. */
  get exited(): Promise<number | null> {
    return this.ended;
  }

  /** Waits until `<origin>/readyz` answers 200. */
  async ready(origin: string): Promise<void> {
    await eventually(
      async () => {
        if (this.child.exitCode !== null) throw new Error(`It ended with ${this.child.exitCode}:\n${this.text}`);
        const response = await fetch(`${origin}/readyz`);
        expect([response.status, response.ok ? '' : await response.text()]).toEqual([200, '']);
      },
      { timeoutMs: READY_WITHIN_MS, intervalMs: 50 },
    );
  }

  terminate(): void {
    this.child.kill('SIGTERM');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.ended;
  }
}
