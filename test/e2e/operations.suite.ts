import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { call, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

const PROGRAM = resolve(import.meta.dirname, '../../services/all/dist/main.js');
const QUESTION = { model: MODELS.writer, messages: [{ role: 'user', content: 'say 2 words' }] };
/** What an operator changes acts within two seconds; a busy machine may take longer. */
const ACTS = { timeoutMs: 20_000 };

interface OpenapiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** What operators and their tools read. */
export function operationsSuite(fixture: () => Fixture): void {
  describe('for its operators', () => {
    const origin = () => new URL(fixture().platform.baseUrl).origin;
    const read = <Body>(path: string) => call<Body>(origin(), path);

    it('the platform says that it lives and that it is ready, check by check', async () => {
      expect(await read('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
      const ready = await read<{ ready: boolean; checks: readonly { name: string; ready: boolean }[] }>('/readyz');
      expect(ready.status).toBe(200);
      expect(ready.body.ready).toBe(true);
      expect(ready.headers['cache-control']).toBe('no-store');
      for (const name of ['routing-table', 'keys', 'billing', 'clock', 'spool']) expect(ready.text).toContain(name);
    });

    it('the platform shows its figures as Prometheus reads them, and no key', async () => {
      const { baseUrl, apiKey, model } = fixture().platform;
      await call(baseUrl, '/chat/completions', { key: apiKey, body: { model, messages: [{ role: 'user', content: 'say 2 words' }] } });
      const metrics = await read('/metrics');
      expect(metrics.headers['content-type']).toContain('text/plain');
      const lines = metrics.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      expect(lines.length).toBeGreaterThan(10);
      for (const line of lines) expect(line).toMatch(/^[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eEinfNa]+$/);
      expect(lines.some((line) => /^switchyard_\w*generation\w*\{?.* [1-9]/.test(line))).toBe(true);
      expect(lines).toContain('switchyard_keys_stale 0');
      expect(metrics.text).not.toContain(apiKey);
    });

    it.each(['/openapi.json', '/api/v1/openapi.json', '/v1/openapi.json'])('%s describes every route that answers', async (path) => {
      const { status, body } = await read<OpenapiDocument>(path);
      expect(status).toBe(200);
      expect(body.openapi).toMatch(/^3\.1\./);
      expect(body.info).toMatchObject({ title: 'Switchyard', version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
      const routes = Object.keys(body.paths).map((route) => route.replace(/^(\/api)?\/v1/, ''));
      for (const route of [
        '/chat/completions',
        '/completions',
        '/embeddings',
        '/models',
        '/keys',
        '/keys/{hash}',
        '/key',
        '/credits',
        '/generation',
        '/logs',
        '/activity',
        '/finance/spend',
        '/finance/statement',
        '/finance/explain',
      ])
        expect(routes).toContain(route);
    });

    it('`chat` tells in one line that an answer was streamed and charged, and ends with 1 and a sentence where it was not', async () => {
      const { baseUrl, apiKey } = fixture().platform;
      const chat = (...more: string[]) => run(['chat', `--base-url=${baseUrl}`, ...more], { SWITCHYARD_API_KEY: apiKey });
      const good = await chat(`--model=${MODELS.writer}`);
      expect([good.exitCode, good.errors]).toEqual([0, '']);
      expect(good.output).toMatch(/^gen-\S+: answered \(first content after \d+ ms, end after \d+ ms\) and charged 0\.0\d+ USD\.\n$/);
      const unknownModel = await chat('--model=acme/nothing');
      expect([unknownModel.exitCode, unknownModel.output]).toEqual([1, '']);
      expect(unknownModel.errors).toMatch(/^The chat was answered with 4\d\d: .+\n$/);
      const wrongKey = await chat(`--model=${MODELS.writer}`, '--key=sk-wrong');
      expect([wrongKey.exitCode, wrongKey.errors.split('\n').length]).toEqual([1, 2]);
      const nobody = await run(['chat', '--base-url=http://127.0.0.1:1/api/v1', '--model=a/b', '--key=k']);
      expect([nobody.exitCode, nobody.errors]).toEqual([1, expect.stringMatching(/^http:\/\/127\.0\.0\.1:1\/api\/v1 cannot be reached: .+\n$/)]);
    }, 120_000);

    it('`account` makes an account with credit booked once and a key that works at once', async () => {
      const { baseUrl, grpcAddresses } = fixture().platform;
      const account = (...more: string[]) => run(['account', ...more], { SWITCHYARD_BILLING_ADDRESS: grpcAddresses?.['billing'] ?? '' });
      const credit = () => account('credit', 'acme', '--usd=2.50', '--reference=order 1');
      const good = [await account('create', 'acme', '--name=Acme'), await account('create', 'acme', '--name=Acme'), await credit(), await credit()];
      expect(good.map(({ exitCode, errors }) => [exitCode, errors])).toEqual(good.map(() => [0, '']));
      const managementKey = (await account('key', 'acme', '--name=Operators', '--management')).output.trim();
      expect(await call(baseUrl, '/credits', { key: managementKey })).toMatchObject({ status: 200, body: { data: { total_credits: 2.5 } } });
      const apiKey = (await account('key', 'acme', '--name=First')).output.trim();
      expect((await run(['chat', `--base-url=${baseUrl}`, `--model=${MODELS.writer}`, `--key=${apiKey}`])).exitCode).toBe(0);
      const stranger = await account('credit', 'nobody', '--usd=1', '--reference=r');
      expect([stranger.exitCode, stranger.output]).toEqual([1, '']);
    }, 120_000);

    it('`account update` sets what holds for all keys of an account, and clears it', async () => {
      const { baseUrl, grpcAddresses } = fixture().platform;
      const account = (...more: string[]) => run(['account', ...more], { SWITCHYARD_BILLING_ADDRESS: grpcAddresses?.['billing'] ?? '' });
      await account('create', 'limited', '--name=Limited');
      await account('credit', 'limited', '--usd=1', '--reference=order 1');
      const key = (await account('key', 'limited', '--name=First')).output.trim();
      const chat = () => call<{ error?: { message: string } }>(baseUrl, '/chat/completions', { key, body: QUESTION });
      expect(await account('update', 'limited', '--ignored-providers=alpha', '--allowed-providers=alpha')).toEqual({
        exitCode: 0,
        output: 'Changed for limited: allowed_providers, ignored_providers.\n',
        errors: '',
      });
      await eventually(async () => expect((await chat()).status).toBe(404), ACTS);
      expect(await account('update', 'limited', '--ignored-providers=', '--allowed-providers=', '--requests-per-minute=1')).toMatchObject({ exitCode: 0 });
      await eventually(async () => expect((await chat()).status).toBe(429), ACTS);
      expect(await account('update', 'limited', '--requests-per-minute=')).toMatchObject({ exitCode: 0 });
      await eventually(async () => expect((await chat()).status).toBe(200), ACTS);
      const stranger = await account('update', 'nobody', '--zdr=true');
      expect(stranger).toEqual({ exitCode: 1, output: '', errors: 'There is no such account.\n' });
    }, 120_000);

    it('what is not there is 404, and the wrong method 405, both in the one envelope', async () => {
      const { baseUrl, managementKey } = fixture().platform;
      const missing = await call<{ error: { code: number } }>(baseUrl, '/nothing', { key: managementKey });
      expect([missing.status, missing.body.error.code]).toEqual([404, 404]);
      const wrong = await call<{ error: { code: number } }>(baseUrl, '/keys', { key: managementKey, method: 'PUT', body: {} });
      expect([wrong.status, wrong.body.error.code]).toEqual([405, 405]);
      expect(wrong.headers['allow']).toContain('POST');
    });
  });
}

interface Ended {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

function run(commandArguments: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((done) => {
    execFile(process.execPath, [PROGRAM, ...commandArguments], { env: { PATH: process.env['PATH'], ...environment } }, (error, output, errors) =>
      done({ exitCode: error === null ? 0 : Number(error.code), output, errors }),
    );
  });
}
