import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Socket } from 'node:net';

export interface SupervisedServer {
  /** Names the server's kind; one per kind runs for this process. */
  readonly kind: string;
  /** Node program that starts it, prints one line of JSON, and stops it when its standard input closes. */
  readonly script: string;
  readonly scriptArguments?: readonly string[];
  readonly startWithinMs: number;
}

const running = new Map<string, Promise<string>>();

/**
 * The JSON line of this process's server, which is started when first asked for. A test runner loads modules anew for each file of specs, so a note in the
 * temporary folder, under the process's id, says that the server is already there. The supervisor ends it with this process, even a killed one.
 */
export function superviseServer(server: SupervisedServer): Promise<string> {
  let line = running.get(server.kind);
  if (line === undefined) {
    line = noted(server) ?? start(server);
    running.set(server.kind, line);
    line.catch(() => running.delete(server.kind));
  }
  return line;
}

function notePath(server: SupervisedServer): string {
  return join(tmpdir(), `switchyard-test-${server.kind}-of-${process.pid}.json`);
}

function noted(server: SupervisedServer): Promise<string> | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(notePath(server), 'utf8'));
    if (typeof note === 'object' && note !== null && 'pid' in note && 'line' in note && typeof note.pid === 'number' && typeof note.line === 'string') {
      process.kill(note.pid, 0);
      return Promise.resolve(note.line);
    }
  } catch {
    rmSync(notePath(server), { force: true });
  }
  return undefined;
}

function start(server: SupervisedServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [server.script, notePath(server), ...(server.scriptArguments ?? [])], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let output = '';
    let complaint = '';
    const timer = setTimeout(() => {
      child.stdin.end();
      reject(new Error(`${server.kind} did not start within ${server.startWithinMs} ms.\n${complaint}`));
    }, server.startWithinMs);
    child.stderr.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-8_000)));
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const end = output.indexOf('\n');
      if (end < 0) return;
      clearTimeout(timer);
      writeFileSync(notePath(server), JSON.stringify({ pid: child.pid, line: output.slice(0, end) }), { mode: 0o600 });
      resolve(output.slice(0, end));
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`The supervisor of ${server.kind} ended with code ${code}.\n${complaint}`));
    });
    letProcessEnd(child.stdin as Socket, child.stdout as Socket, child.stderr as Socket);
    child.unref();
  });
}

/** The pipes stay open, which is what keeps the server alive, but do not keep this process from ending. */
function letProcessEnd(...pipes: Socket[]): void {
  for (const pipe of pipes) pipe.unref();
}
