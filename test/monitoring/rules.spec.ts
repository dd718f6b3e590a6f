import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { prometheusPrograms } from '@switchyard/test-platform';

const RULES = resolve(import.meta.dirname, '../../charts/switchyard/rules');
const TESTS = resolve(import.meta.dirname, 'rules');

/** @throws Error with what promtool said, when it is not content. */
function promtool(...commandArguments: string[]): string {
  return execFileSync(prometheusPrograms().promtool, commandArguments, { encoding: 'utf8', cwd: TESTS });
}

describe('alert rules', () => {
  it.each(readdirSync(RULES))('%s is a rule file as Prometheus reads it', (file) => {
    expect(promtool('check', 'rules', join(RULES, file))).toMatch(/SUCCESS: \d+ rules found/);
  });

  it.each(readdirSync(TESTS))('%s: alerts fire when their time has come, and clear', (file) => {
    expect(promtool('test', 'rules', join(TESTS, file))).toContain('SUCCESS');
  });
});
