import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { linesMatching, readText, repositoryRoot, textFiles } from './repository-files.js';

const pages = textFiles('docs/guides', 'docs/runbooks').filter((file) => file.endsWith('.md'));
/** Suites and tools have variables that no service reads. */
const suites = textFiles('test', 'tools')
  .filter((file) => /\.(ts|mjs|cjs|sh)$/.test(file))
  .map(readText)
  .join('\n');

/** Everything that a pattern finds in the pages and that is not known, as `file:line: text`. */
function unknown(pattern: RegExp, isKnown: (name: string) => boolean): string[] {
  const rest = new RegExp(pattern.source, 'g');
  return pages.flatMap((page) => {
    const names = new Set([...readText(page).matchAll(rest)].map(([, name = '']) => name).filter((name) => !isKnown(name)));
    return [...names].flatMap((name) => linesMatching([page], new RegExp(name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))));
  });
}

describe('what guides and runbooks name', () => {
  it('are settings that exist', () => {
    const reference = readText('docs/reference/configuration.md');
    const settings = new Set([...reference.matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, name]) => name));
    expect(settings.size).toBeGreaterThan(80);
    const isKnown = (name: string) => settings.has(name) || suites.includes(name) || name.startsWith('SWITCHYARD_CREDENTIAL_');
    // With `_` at its end a name stands for several.
    expect(unknown(/\b(SWITCHYARD_[A-Z0-9_]*[A-Z0-9]|KAFKA_BROKERS)\b(?!_)/, isKnown)).toEqual([]);
  });

  it('are commands that exist, with options that exist', () => {
    const help = readText('services/all/src/commands/help.ts');
    const commands = new Set([...help.matchAll(/^ {2}([a-z][a-z-]+(?: (?:explain|verify|replay|rewind|rebuild|erase))?)(?= |$)/gm)].map(([, name]) => name));
    expect(commands.has('ledger verify') && commands.has('migrate')).toBe(true);
    expect(unknown(/dist\/main\.js ((?:ledger|events|analytics) [a-z-]+|[a-z][a-z-]*)/, (name) => commands.has(name))).toEqual([]);
    const options = new Set([...help.matchAll(/--([a-z-]+)/g)].map(([, name]) => name));
    const used = pages.flatMap((page) =>
      [...readText(page).matchAll(/dist\/main\.js ([^\n`|#]*)/g)].flatMap(([, line = '']) => [...line.matchAll(/--([a-z-]+)/g)]),
    );
    expect([...new Set(used.map(([, name]) => name))].filter((name) => !options.has(name))).toEqual([]);
  });

  it('are metrics that exist', () => {
    const metrics = new Set([...readText('docs/reference/metrics.md').matchAll(/^\| `(switchyard_[a-z_]+)`/gm)].map(([, name = '']) => name));
    expect(metrics.size).toBeGreaterThan(30);
    const isKnown = (name: string) => metrics.has(name.replace(/_(bucket|sum|count)$/, '')) || metrics.has(name);
    expect(unknown(/`(switchyard_[a-z_]+[a-z])(?=[`{])/, isKnown)).toEqual([]);
  });
});

describe('what any page names', () => {
  it('are files and folders that exist', () => {
    const all = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...textFiles('docs', 'charts').filter((file) => file.endsWith('.md'))];
    const missing = all.flatMap((page) => {
      const paths = [...readText(page).matchAll(/`((?:libs|services|test|tools|proto|charts|docs)\/[\w./-]+)`/g)].map(([, path = '']) => path);
      return paths.filter((path) => !existsSync(join(repositoryRoot, path))).map((path) => `${page}: ${path}`);
    });
    expect(missing).toEqual([]);
  });
});
