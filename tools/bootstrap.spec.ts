import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

function start(...programArguments: string[]) {
  const child = spawn(process.execPath, ['tools/bootstrap.mjs', '--no-build', 'tools/fixtures/signal-echo.mjs', ...programArguments], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.setEncoding('utf8');
  return child;
}

describe('bootstrap', () => {
  it('runs the program on a Node that the platform supports and ends with its exit code', async () => {
    const child = start('exit', '7');
    const version = once(child.stdout, 'data');
    expect(await once(child, 'exit')).toEqual([7, null]);
    const [major, minor] = String((await version)[0])
      .slice(1)
      .split('.')
      .map(Number);
    expect((major ?? 0) * 1000 + (minor ?? 0)).toBeGreaterThanOrEqual(24_009);
  });

  it('passes a request to end on, waits for the program to drain, and ends as it does', async () => {
    const child = start('serve', '5');
    expect((await once(child.stdout, 'data'))[0]).toBe('ready\n');
    const draining = once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect((await draining)[0]).toBe('draining\n');
    expect(await once(child, 'exit')).toEqual([5, null]);
  });
});
