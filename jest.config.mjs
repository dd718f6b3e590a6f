import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const swc = JSON.parse(readFileSync(new URL('.swcrc', import.meta.url), 'utf8'));
delete swc.$schema;

// Nest 12 is ESM-only, so specs run as ES modules, for which Jest needs this flag from the very start of its process.
// A plain `npx jest` is therefore started once more with it; workers inherit the flag.
if (!process.execArgv.includes('--experimental-vm-modules') && !(process.env.NODE_OPTIONS ?? '').includes('--experimental-vm-modules')) {
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const { status } = spawnSync(process.execPath, [...process.execArgv, ...flags, ...process.argv.slice(1)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}

/** @type {import('jest').Config} */
export default {
  rootDir: '.',
  testMatch: ['<rootDir>/{libs,services}/*/src/**/*.spec.ts', '<rootDir>/test/**/*.spec.ts', '<rootDir>/tools/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['<rootDir>/(libs|services|test)/[^/]+/dist/', '<rootDir>/\\.switchyard/'],
  watchPathIgnorePatterns: ['/dist/', '/\\.switchyard/', '/test-results/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
  transformIgnorePatterns: ['/node_modules/'],
  resolver: '<rootDir>/tools/jest/resolver.cjs',
  testEnvironment: 'node',
  reporters: ['default', '<rootDir>/tools/jest/results-reporter.mjs'],
  maxWorkers: 2,
  testTimeout: 30_000,
  clearMocks: true,
  errorOnDeprecated: true,
};
