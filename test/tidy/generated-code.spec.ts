import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { repositoryRoot } from './repository-files.js';

const binaries = join(repositoryRoot, 'node_modules/.bin');
const MINUTE_MS = 60_000;

function run(command: string, commandArguments: readonly string[]) {
  const environment = { ...process.env, PATH: `${binaries}${delimiter}${process.env['PATH'] ?? ''}` };
  const { status, stdout, stderr } = spawnSync(command, commandArguments, { cwd: repositoryRoot, encoding: 'utf8', env: environment });
  return { status, output: `${stdout}${stderr}` };
}

function git(...commandArguments: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', commandArguments, { cwd: repositoryRoot, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** What this protocol must stay compatible with: the last release, else where this branch left main, else the commit before. */
function breakingBase(): string | undefined {
  const tag = git('describe', '--tags', '--abbrev=0');
  const head = git('rev-parse', 'HEAD');
  const fork = git('merge-base', 'HEAD', 'origin/main') ?? git('merge-base', 'HEAD', 'main');
  const candidates = [tag, fork === head ? undefined : fork, git('rev-parse', '--verify', '--quiet', 'HEAD~1')];
  return candidates.find((candidate) => candidate !== undefined && git('cat-file', '-e', `${candidate}:buf.yaml`) !== undefined);
}

function filesOf(directory: string): Map<string, string> {
  const files = readdirSync(directory, { recursive: true }).map(String);
  return new Map(files.filter((file) => statSync(join(directory, file)).isFile()).map((file) => [file, readFileSync(join(directory, file), 'utf8')]));
}

describe('protocol buffers', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'switchyard-tidy-'));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it('pass buf lint', () => {
    expect(run('buf', ['lint'])).toEqual({ status: 0, output: '' });
  });

  it(
    'are what the committed code was generated from',
    () => {
      expect(run('buf', ['generate', '-o', join(directory, 'generated')])).toEqual({ status: 0, output: '' });
      const generated = filesOf(join(directory, 'generated/libs/proto/src/gen'));
      const committed = filesOf(join(repositoryRoot, 'libs/proto/src/gen'));
      expect([...committed.keys()].sort()).toEqual([...generated.keys()].sort());
      expect([...generated].filter(([file, text]) => committed.get(file) !== text).map(([file]) => file)).toEqual([]);
    },
    2 * MINUTE_MS,
  );

  it('break no message that is already in use', () => {
    const base = breakingBase();
    if (base === undefined) {
      console.warn('buf breaking: this clone has neither a tag nor an earlier commit to compare with; NOT CHECKED here.');
      expect(git('rev-list', '--count', '--max-count=2', 'HEAD')).toBe('1');
      return;
    }
    const archive = execFileSync('git', ['archive', '--format=tar', base, 'proto', 'buf.yaml'], { cwd: repositoryRoot, maxBuffer: 64 * 1024 * 1024 });
    const before = mkdtempSync(join(directory, 'before-'));
    execFileSync('tar', ['-x', '-C', before], { input: archive });
    expect(run('buf', ['breaking', '--against', before])).toEqual({ status: 0, output: '' });
  });
});

describe('generated pages', () => {
  it('say what the code says', () => {
    expect(run(process.execPath, ['tools/generate-docs.mjs', '--check'])).toEqual({ status: 0, output: '' });
  });

  it('parity: the column of tests is what the titles say', () => {
    expect(run(process.execPath, ['tools/parity/parity.mjs', '--check'])).toMatchObject({ status: 0 });
  });

  it('guarantees: every promise names tests, and all of them exist', () => {
    expect(run(process.execPath, ['tools/parity/guarantees.mjs', '--check'])).toMatchObject({ status: 0 });
  });
});
