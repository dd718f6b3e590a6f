import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Cores: what is measured on the first; upstream, load, databases and brokers on the second. */
export const GATEWAY_CORE = 0;
export const LOAD_CORE = 1;

const CLOCK_TICKS_PER_SECOND = 100;
const PAGE_KIB = 4;
/** As a shell tells of Ctrl-C. */
const EXIT_INTERRUPTED = 130;

export const canPin = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0;

export interface PinnedProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly firstLine: string;
}

/** Starts a Node program on one core and waits for the first line it prints. */
export async function startPinned(
  script: string,
  scriptArguments: readonly string[],
  core: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<PinnedProcess> {
  const command = [process.execPath, script, ...scriptArguments];
  const [file, ...rest] = canPin ? ['taskset', '-c', String(core), ...command] : command;
  const child = spawn(file!, rest, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...environment } });
  const firstLine = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  child.stdout!.resume();
  return { child, pid: child.pid!, firstLine };
}

/** Resolves when it has ended. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill();
  await ended;
}

/** Moves a running process, all its threads included, to a core. */
export function pin(pid: number, core: number): void {
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
}

/**
 * CPU time that processes used so far, in seconds, with that of their children that have ended; not a number where the
 * system does not tell of one of them.
 */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = statOf(pid)?.fields;
    if (fields === undefined) return Number.NaN;
    for (const index of [11, 12, 13, 14]) ticks += Number(fields[index]);
  }
  return ticks / CLOCK_TICKS_PER_SECOND;
}

/** Resident memory in MiB; not a number where the system does not tell. */
export function residentMib(pids: readonly number[]): number {
  let kib = 0;
  for (const pid of pids) {
    const fields = statOf(pid)?.fields;
    if (fields === undefined) return Number.NaN;
    kib += Number(fields[21]) * PAGE_KIB;
  }
  return kib / 1024;
}

/** Ends what this process has started when it is told to end itself. */
export function endChildrenOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      for (const { pid } of childrenByParent().get(process.pid) ?? []) process.kill(pid, 'SIGINT');
      process.exit(EXIT_INTERRUPTED);
    });
  }
}

/** Processes below a process. */
export function descendants(pid: number): readonly RunningProcess[] {
  const children = childrenByParent();
  const found: RunningProcess[] = [];
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const child of children.get(next) ?? []) {
      found.push(child);
      queue.push(child.pid);
    }
  }
  return found;
}

interface RunningProcess {
  readonly pid: number;
  readonly name: string;
}

/** Empty where the system does not tell. */
function childrenByParent(): ReadonlyMap<number, readonly RunningProcess[]> {
  const children = new Map<number, RunningProcess[]>();
  if (process.platform !== 'linux') return children;
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = statOf(Number(entry));
    if (!stat) continue;
    const parent = Number(stat.fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), { pid: Number(entry), name: stat.name }]);
  }
  return children;
}

/** Fields after the name, from the state on; undefined once it has ended. */
function statOf(pid: number): { readonly name: string; readonly fields: readonly string[] } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const nameEnd = stat.lastIndexOf(')');
    return { name: stat.slice(stat.indexOf('(') + 1, nameEnd), fields: stat.slice(nameEnd + 2).split(' ') };
  } catch {
    return undefined;
  }
}
