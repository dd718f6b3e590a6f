import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Cores: Switchyard and the bare proxy on the first, upstream and load on the second. */
export const GATEWAY_CORE = 0;
export const LOAD_CORE = 1;

const CLOCK_TICKS_PER_SECOND = 100;

export const canPin = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0;

/** Starts a Node program on one core and returns the first line it prints. */
export async function startPinned(script: string, scriptArguments: readonly string[], core: number): Promise<{ child: ChildProcess; firstLine: string }> {
  const command = [process.execPath, script, ...scriptArguments];
  const [file, ...rest] = canPin ? ['taskset', '-c', String(core), ...command] : command;
  const child = spawn(file!, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const firstLine = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  return { child, firstLine };
}

/** Moves a running process, all its threads included, to a core. */
export function pin(pid: number, core: number): void {
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
}

/** CPU time that the processes used so far, in seconds; undefined where the system does not tell. */
export function cpuSeconds(pids: readonly number[]): number | undefined {
  let ticks = 0;
  try {
    for (const pid of pids) {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    }
  } catch {
    return undefined;
  }
  return ticks / CLOCK_TICKS_PER_SECOND;
}

/** Processes below a process that are no Node programs of ours (databases, brokers). */
export function descendants(pid: number): { pid: number; name: string }[] {
  const found: { pid: number; name: string }[] = [];
  const children = new Map<number, { pid: number; name: string }[]>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      children.set(parent, [...(children.get(parent) ?? []), { pid: Number(entry), name }]);
    } catch {
      // It ended while we looked.
    }
  }
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const child of children.get(next) ?? []) {
      found.push(child);
      queue.push(child.pid);
    }
  }
  return found;
}
