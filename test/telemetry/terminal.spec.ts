import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from '@jest/globals';
import { call } from '@switchyard/test-platform';
import { eventually, freePort } from '@switchyard/testing';

const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');

it('the quick start with --trace shows each request in the terminal: decision, attempts, first token, cost', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'switchyard-trace-'));
  // Started by root, Postgres becomes another user, who must be able to reach its folder.
  chmodSync(directory, 0o755);
  const settings = { SWITCHYARD_DATA_DIR: directory, SWITCHYARD_HTTP_PORT: String(await freePort()) };
  const child = spawn(process.execPath, [PROGRAM, 'quickstart', '--trace'], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise((done) => child.once('close', done));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output += piece.toString()));
  try {
    await eventually(() => expect(output).toContain('Switchyard is ready'), { timeoutMs: 120_000 });
    const { baseUrl, apiKey, model } = JSON.parse(readFileSync(join(directory, 'quickstart.json'), 'utf8')) as Record<'baseUrl' | 'apiKey' | 'model', string>;
    const ask = () => call(baseUrl, '/chat/completions', { key: apiKey, body: { model, stream: true, messages: [{ role: 'user', content: 'say 5 words' }] } });
    // The posting of the first is waited for as long as that of any other, and may come too late on a busy machine.
    const shown = await eventually(
      async () => {
        const { headers } = await ask();
        const lines = await eventually(() => {
          const at = output.indexOf(String(headers['x-generation-id']));
          expect(at).toBeGreaterThan(0);
          return output.slice(at).split('\n');
        });
        expect(lines.some((line) => line.includes('ledger post'))).toBe(true);
        return lines;
      },
      { timeoutMs: 30_000 },
    );
    expect(shown[0]).toMatch(new RegExp(`^gen-\\S+ {2}${model} {2}200 {2}completed {2}first token .* charged \\$0\\.\\d+$`));
    const steps = [
      'auth.api_key',
      'decide',
      'reserve',
      `chat ${model}`,
      '  POST',
      'send generation-completed',
      '  process generation-comp…',
      '    ledger post',
    ];
    for (const [index, step] of steps.entries()) expect(shown[index + 1]).toContain(`  ${step}`);
    expect(shown[4]).toMatch(/first chunk after .* tokens {2}costs \$0\.\d+$/);
  } finally {
    child.kill('SIGINT');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  }
}, 180_000);
