import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { ProcessKind } from './fault-plan.js';
import type { Recorder } from './recorder.js';

/** How to run a program that ends when its standard input closes. */
export interface ProcessOrder {
  readonly name: string;
  readonly kind: ProcessKind;
  readonly script: string;
  readonly scriptArguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** It is a supervisor: its first line is JSON that names the process to be harmed, and says that it answers. */
  readonly supervises?: boolean;
  /** Resolves with what keeps it from being ready; undefined: nothing. */
  readonly problem?: () => Promise<string | undefined>;
}

/** What a supervisor says of the process it runs. */
interface Supervised {
  readonly pid: number;
  /** Set where it runs in a container: signals do not reach it through its client. */
  readonly container?: string;
}

const RESTART_DELAY_MS = 500;
const READY_POLL_MS = 250;
const END_GRACE_MS = 20_000;

/**
 * A process that is started again whenever it ended, with the same command, environment and folder, as a cluster would, and that can be killed, stopped, held
 * and resumed meanwhile.
 */
export class ControlledProcess {
  readonly name: string;
  readonly kind: ProcessKind;
  private child: ChildProcess | undefined;
  private supervised: Supervised | undefined;
  private isOurDoing = false;
  private wasReady = false;
  private isEnding = false;
  private heldPids: number[] = [];

  constructor(
    private readonly order: ProcessOrder,
    private readonly recorder: Recorder,
  ) {
    this.name = order.name;
    this.kind = order.kind;
  }

  /** Resolves when it was spawned; a supervised one when its supervisor says that it answers. */
  async start(): Promise<void> {
    const { script, scriptArguments, environment, logFile, supervises } = this.order;
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, [script, ...scriptArguments], {
      detached: true,
      stdio: ['pipe', supervises === true ? 'pipe' : log, log],
      env: { ...environment },
    });
    closeSync(log);
    child.stdin?.on('error', () => undefined);
    this.child = child;
    this.isOurDoing = false;
    this.wasReady = false;
    this.recorder.note(this.name, this.kind, 'started');
    child.once('exit', (code, signal) => this.onExit(child, signal ?? `code ${code}`));
    if (supervises === true) {
      this.supervised = await firstLine(child, this.name);
      this.noteReady();
    } else void this.watchReadiness(child);
  }

  private async watchReadiness(child: ChildProcess): Promise<void> {
    const { problem } = this.order;
    while (problem !== undefined && child === this.child && child.exitCode === null && child.signalCode === null && !this.isEnding) {
      if ((await problem()) === undefined) return this.noteReady();
      await new Promise((done) => setTimeout(done, READY_POLL_MS));
    }
  }

  private noteReady(): void {
    this.wasReady = true;
    this.recorder.note(this.name, this.kind, 'ready');
  }

  /** SIGKILL. Nothing when it is down already. */
  kill(): void {
    const { pid } = this;
    if (pid === undefined) return;
    this.resume();
    this.isOurDoing = true;
    this.recorder.note(this.name, this.kind, 'killed');
    const container = this.supervised?.container;
    if (container === undefined) signal(pid, 'SIGKILL');
    else docker('kill', container);
    // Its supervisor has nothing left to do, and the next one starts from what is on the disk.
    if (this.supervised !== undefined) this.child?.kill('SIGKILL');
  }

  /** SIGTERM: it drains and ends. */
  stop(): void {
    const { pid } = this;
    if (pid === undefined || this.heldPids.length > 0) return;
    this.isOurDoing = true;
    this.recorder.note(this.name, this.kind, 'stopped');
    signal(pid, 'SIGTERM');
  }

  /** SIGSTOP, of all its processes: it exists, and answers nobody. */
  hold(): void {
    const { pid } = this;
    if (pid === undefined || this.heldPids.length > 0) return;
    this.recorder.note(this.name, this.kind, 'held');
    const container = this.supervised?.container;
    if (container !== undefined) docker('pause', container);
    // The parent first: it could make new children meanwhile.
    else signal(pid, 'SIGSTOP');
    this.heldPids = container === undefined ? [pid, ...childrenOf(pid)] : [pid];
    if (container === undefined) for (const held of this.heldPids) signal(held, 'SIGSTOP');
  }

  resume(): void {
    if (this.heldPids.length === 0) return;
    this.recorder.note(this.name, this.kind, 'resumed');
    const container = this.supervised?.container;
    if (container !== undefined) docker('unpause', container);
    else for (const held of this.heldPids) signal(held, 'SIGCONT');
    this.heldPids = [];
  }

  /** For good: SIGTERM, or the end of its supervisor's input, and SIGKILL after a while. */
  async end(graceMs = END_GRACE_MS): Promise<void> {
    this.isEnding = true;
    this.resume();
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.stdin?.end();
    const timer = setTimeout(() => {
      this.recorder.note(this.name, this.kind, 'ended_by_itself', `not within ${graceMs} ms of being told to`);
      child.kill('SIGKILL');
    }, graceMs);
    await exited;
    clearTimeout(timer);
  }

  private get pid(): number | undefined {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return undefined;
    return this.order.supervises === true ? this.supervised?.pid : child.pid;
  }

  private onExit(child: ChildProcess, how: string): void {
    if (child !== this.child || this.isEnding) return;
    if (!this.isOurDoing) this.recorder.note(this.name, this.kind, this.wasReady ? 'ended_by_itself' : 'ended_while_starting', how);
    this.heldPids = [];
    this.supervised = undefined;
    setTimeout(() => {
      if (!this.isEnding) this.start().catch(() => undefined);
    }, RESTART_DELAY_MS);
  }
}

function firstLine(child: ChildProcess, name: string): Promise<Supervised> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', (line) => resolve(JSON.parse(line) as Supervised));
    child.once('exit', (code) => reject(new Error(`${name} ended with code ${code} before it answered`)));
  });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function docker(command: 'kill' | 'pause' | 'unpause', container: string): void {
  spawnSync('docker', [command, container], { stdio: 'ignore' });
}

/** Direct children, where the system tells them: a database serves each connection by one. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
      .map(Number);
  } catch {
    return [];
  }
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
