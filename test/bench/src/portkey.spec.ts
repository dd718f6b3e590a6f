import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { installPortkey } from './portkey.js';

describe('the peer of the bench', () => {
  const { PATH, XDG_CACHE_HOME } = process.env;
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'switchyard-bench-'));
    Object.assign(process.env, { PATH: `${folder}:${PATH}`, XDG_CACHE_HOME: join(folder, 'cache') });
  });
  afterEach(() => {
    process.env['PATH'] = PATH;
    if (XDG_CACHE_HOME === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = XDG_CACHE_HOME;
    rmSync(folder, { recursive: true });
  });

  /** An npm that installs this version, and then ends with this code. */
  function npmInstalls(version: string, code: number): void {
    const commands = [
      'mkdir -p node_modules/@portkey-ai/gateway/build node_modules/@hono/node-server',
      'touch node_modules/@portkey-ai/gateway/build/start-server.js',
      `echo '{"version": "${version}"}' > node_modules/@hono/node-server/package.json`,
      `exit ${code}`,
    ];
    writeFileSync(join(folder, 'npm'), `#!/bin/sh\n${commands.join('\n')}\n`);
    chmodSync(join(folder, 'npm'), 0o755);
  }

  it('is not taken from what npm left when it failed, nor in another version', async () => {
    npmInstalls('1.13.8', 1);
    for (let run = 0; run < 2; run++) await expect(installPortkey()).rejects.toThrow('npm could not install it');
    npmInstalls('1.19.0', 0);
    for (let run = 0; run < 2; run++) await expect(installPortkey()).rejects.toThrow('npm installed @hono/node-server 1.19.0');
    npmInstalls('1.13.8', 0);
    const installed = await installPortkey();
    npmInstalls('1.13.8', 1);
    expect(await installPortkey()).toBe(installed);
  });
});
