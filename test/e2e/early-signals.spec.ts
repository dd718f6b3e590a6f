import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { PROGRAM } from './service-process.js';

describe('a program whose modules still load', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends by %s, as the first process of a container too', (signal, exitCode) => {
    const { status, signal: endedBy } = spawnSync(process.execPath, ['--import', signalWhileLoading(signal), PROGRAM, 'serve'], {
      env: {},
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    // Without a handler of its own it would end by the signal, without a code; as the first process of a container it would not end at all.
    expect({ status, endedBy }).toEqual({ status: exitCode, endedBy: null });
  });
});

/** A module that sends its process a signal when the first of the platform's own packages is loaded, and lets that take its time. */
function signalWhileLoading(signal: string): string {
  const code = `
    import { registerHooks } from 'node:module';
    let isSent = false;
    registerHooks({
      load(url, context, next) {
        const loaded = next(url, context);
        if (isSent || !url.includes('/libs/')) return loaded;
        isSent = true;
        process.kill(process.pid, '${signal}');
        return { ...loaded, source: 'await new Promise((resolve) => setTimeout(resolve, 10_000));' + loaded.source };
      },
    });`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}
