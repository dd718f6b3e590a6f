import { expect } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { eventually, freePortRun } from '@switchyard/testing';

export const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');

/** What the suites ask for at most; each has the port after the one before. */
const INGRESS_REPLICAS_MAX = 2;

export interface QuickstartContract {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly managementKey: string;
  readonly model: string;
  readonly processes: Readonly<Record<string, readonly number[]>>;
  readonly ingressUrls: readonly string[];
}

export interface RunningProgram {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  output(): string;
}

/** The program as people start it, in a data folder of its own. */
export class QuickstartProgram {
  readonly directory: string;
  private readonly children: ChildProcess[] = [];

  private constructor(
    readonly port: number,
    /** Of what is run from here on. */
    readonly environment: Record<string, string | undefined>,
  ) {
    // Folders of people have such names.
    this.directory = mkdtempSync(join(tmpdir(), 'switchyard quickstart, é-'));
    // Started by root, Postgres becomes another user, who must be able to reach its folder.
    chmodSync(this.directory, 0o755);
  }

  static async prepare(environment: Readonly<Record<string, string | undefined>> = {}): Promise<QuickstartProgram> {
    return new QuickstartProgram(await freePortRun(INGRESS_REPLICAS_MAX), { ...environment });
  }

  get contractFile(): string {
    return join(this.directory, 'quickstart.json');
  }

  contract(): QuickstartContract {
    return JSON.parse(readFileSync(this.contractFile, 'utf8')) as QuickstartContract;
  }

  run(...programArguments: string[]): RunningProgram {
    const own = { SWITCHYARD_DATA_DIR: this.directory, SWITCHYARD_HTTP_PORT: String(this.port) };
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...own, ...this.environment };
    const child = spawn(process.execPath, [PROGRAM, ...programArguments], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.children.push(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (text += piece.toString()));
    return { child, output: () => text, exited: new Promise((done) => child.once('close', done)) };
  }

  /** Runs `quickstart` until it says that it is ready. */
  async start(timeoutMs: number, ...flags: string[]): Promise<RunningProgram & { readonly contract: QuickstartContract }> {
    const started = this.run('quickstart', ...flags);
    const isReady = await eventually(
      () => {
        if (started.child.exitCode !== null) return false;
        expect(started.output()).toContain('Ctrl-C stops everything');
        return true;
      },
      { timeoutMs },
    );
    if (!isReady) throw new Error(`It ended with exit code ${started.child.exitCode} before it was ready:\n${started.output()}`);
    return { ...started, contract: this.contract() };
  }

  /** Processes whose command line names the data folder (Postgres, Kafka), where the system tells. */
  processes(): string[] {
    if (!existsSync('/proc')) return [];
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids.map(commandLine).filter((text) => text.includes(this.directory));
  }

  async remove(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    await eventually(() => expect(this.processes()).toEqual([]), { timeoutMs: 60_000 });
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
