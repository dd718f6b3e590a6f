import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { PROGRAM } from './service-process.js';

describe('a command on a Node that is too old for the platform', () => {
  it('runs on the one among the packages, with its arguments and its exit code', () => {
    const run = (...programArguments: string[]) =>
      spawnSync(process.execPath, ['--import', OLD_NODE, PROGRAM, ...programArguments], { env: {}, encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' });
    expect(run('help')).toMatchObject({ status: 0, stdout: expect.stringContaining('ledger verify') });
    expect(run('ledger', 'nothing')).toMatchObject({ status: 2, stderr: expect.stringContaining('Usage: ledger explain') });
  });
});

/** A module that has its process pass for an older Node, which fails where it loads the platform's own packages. */
const OLD_NODE = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.0' } });
  registerHooks({
    load(url, context, next) {
      if (url.includes('/libs/')) throw new SyntaxError('an older Node does not know this');
      return next(url, context);
    },
  });`)}`;
