import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

const LOG_BYTES_MAX = 20 * 1024 * 1024;
/** Of what it wrote last, in the message that it ended. */
const LAST_WORDS_CHARACTERS_MAX = 2_000;

export interface ManagedProcessOptions {
  readonly name: string;
  /** A program of ours that stops when its standard input closes. */
  readonly script: string;
  readonly scriptArguments: readonly string[];
  /** For Node itself. */
  readonly nodeArguments?: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
  /** First line on its standard input: secrets belong here, not into arguments that everybody may list. */
  readonly input?: string;
  /** Its standard output is read for one line of JSON instead of going to the log. */
  readonly answersWithLine?: boolean;
}

/**
 * A child that lives exactly as long as this process. It has a process group of its own, so that Ctrl-C reaches only us and we decide the order of
 * stopping; and it holds the other end of a pipe, so that it stops by itself when we are killed.
 */
export class ManagedProcess {
  readonly name: string;
  /** Resolves with what it ended with, for example `exit code 1`. */
  readonly exited: Promise<string>;
  private readonly child: ChildProcess;
  /** Where in the log its own lines begin. */
  private readonly logStartBytes: number;
  private isStopping = false;
  private hasExited = false;

  constructor(private readonly options: ManagedProcessOptions) {
    this.name = options.name;
    const log = openLog(options.logFile);
    this.logStartBytes = fstatSync(log).size;
    this.child = spawn(process.execPath, [...(options.nodeArguments ?? []), options.script, ...options.scriptArguments], {
      detached: true,
      stdio: ['pipe', options.answersWithLine === true ? 'pipe' : log, log],
      env: options.environment,
    });
    closeSync(log);
    this.child.stdin?.on('error', () => undefined);
    if (options.input !== undefined) this.child.stdin?.write(`${options.input}\n`);
    this.exited = new Promise((resolve) => {
      this.child.once('error', (error) => resolve(error.message));
      // `close` and not `exit`: what it wrote last has been read by then.
      this.child.once('close', (code, signal) => {
        this.hasExited = true;
        resolve(signal === null ? `exit code ${code}` : `signal ${signal}`);
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** It ended although nobody asked it to. */
  onUnexpectedExit(listener: (how: string) => void): void {
    void this.exited.then((how) => {
      if (!this.isStopping) listener(how);
    });
  }

  /** The first line of its standard output. */
  async firstLine(timeoutMs: number): Promise<string> {
    const { stdout } = this.child;
    if (!stdout) throw new Error(`${this.name} gives no answer`);
    const line = new Promise<string>((resolve) => createInterface({ input: stdout }).once('line', resolve));
    return this.whileAlive(line, timeoutMs);
  }

  /** Waits for something, but not longer than the process lives. */
  async whileAlive<Result>(work: Promise<Result>, timeoutMs: number): Promise<Result> {
    const timeout = Promise.withResolvers<never>();
    const timer = setTimeout(() => timeout.reject(this.failure(`was not ready within ${Math.round(timeoutMs / 1000)} s`)), timeoutMs);
    const death = this.exited.then((how) => Promise.reject(this.failure(`ended with ${how}`)));
    death.catch(() => undefined);
    try {
      return await Promise.race([work, timeout.promise, death]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks it to stop, and ends it when it has not after the time. */
  async stop(graceMs: number): Promise<void> {
    this.isStopping = true;
    this.child.stdin?.end();
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  /** Ends it, and what is left of its process group, at once. */
  kill(): void {
    this.isStopping = true;
    if (this.hasExited || this.pid === 0) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      this.child.kill('SIGKILL');
    }
  }

  private failure(what: string): Error {
    const lastWords = this.lastWords();
    return new Error(`${this.name} ${what}; its log is ${this.options.logFile}${lastWords === '' ? '' : `, which ends with\n${lastWords}`}`);
  }

  private lastWords(): string {
    const own = readFileSync(this.options.logFile).subarray(this.logStartBytes).toString().trimEnd();
    return own.slice(-LAST_WORDS_CHARACTERS_MAX);
  }
}

/** Appends; a log that has grown large is set aside first, replacing the one before. */
function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}
