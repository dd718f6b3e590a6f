import { describe, expect, it } from '@jest/globals';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { linesMatching, readText, repositoryFiles, repositoryRoot, textFiles } from './repository-files.js';

const GENERATED = /^libs\/proto\/src\/gen\/|^package-lock\.json$/;
const written = (...within: string[]) => textFiles(...within).filter((file) => !GENERATED.test(file));

/** Libraries that may have fewer than two users, and why. */
const LIBRARIES_WITH_ONE_USER: Record<string, string> = {
  testing: 'serves specs, which are no project of their own',
  api: 'describes the public wire formats once, apart from the service that serves them',
  dialects: 'one folder per wire dialect; apart from services so that it stays pure',
  providers: 'one folder per provider; apart from the worker so that adding a provider touches no service',
  runtime: 'composes targets for services and the program alike',
};

describe('names of files', () => {
  it('are kebab-case with a role suffix', () => {
    const sources = repositoryFiles('libs', 'services', 'test', 'tools').filter((file) => /\.(ts|mjs|cjs)$/.test(file) && !GENERATED.test(file));
    const odd = sources.filter((file) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*\.(ts|mjs|cjs)$/.test(file.split('/').at(-1) ?? ''));
    expect(odd).toEqual([]);
  });

  it('say what is in them: nothing is called utils, helpers, common or misc', () => {
    const vague = /(^|\/)(utils?|helpers?|common|misc|shared|stuff)(\/|\.(ts|mjs|cjs)$)/;
    expect(repositoryFiles('libs', 'services', 'test', 'tools').filter((file) => vague.test(file) && !GENERATED.test(file))).toEqual([]);
  });

  it('no service has a barrel file', () => {
    expect(repositoryFiles('services').filter((file) => /(^|\/)index\.ts$/.test(file))).toEqual([]);
  });
});

describe('libraries', () => {
  const libraries = [...new Set(repositoryFiles('libs').map((file) => file.split('/')[1] ?? ''))];

  it.each(libraries)('%s has an index that exports by name', (library) => {
    const index = `libs/${library}/src/index.ts`;
    expect(existsSync(join(repositoryRoot, index))).toBe(true);
    expect(readText(index)).not.toMatch(/export default/);
  });

  it.each(libraries.filter((library) => !(library in LIBRARIES_WITH_ONE_USER)))('%s has two users or more', (library) => {
    const users = new Set<string>();
    for (const file of written('libs', 'services', 'test').filter((path) => path.endsWith('.ts') && !path.startsWith(`libs/${library}/`))) {
      if (new RegExp(`'@switchyard/${library}(/[^']*)?'`).test(readText(file))) users.add(file.split('/').slice(0, 2).join('/'));
    }
    expect([...users].length).toBeGreaterThanOrEqual(2);
  });
});

describe('text', () => {
  it('names no place on a developer machine', () => {
    // A user's home or a working folder; a container's own paths are the images' business.
    const places = /(?<![\w.$}])\/(?:home|Users|root|work)\/[\w.-]|(?<![\w.$}])\/tmp\/\w|\bC:\\Users\\/;
    expect(linesMatching(written(), places)).toEqual([]);
  });

  it('names no package registry and no download address', () => {
    expect(linesMatching(['package-lock.json'], /"resolved": "https?:/)).toEqual([]);
    const registries = /\b(registry\.(npmjs|yarnpkg)\.\w+|repo1?\.maven\.\w+|proxy\.golang\.\w+|npm\.pkg\.github)\b|_authToken/;
    expect(
      linesMatching(
        written().filter((file) => file !== 'test/tidy/repository-shape.spec.ts'),
        registries,
      ),
    ).toEqual([]);
  });

  it('holds no secret', () => {
    const secrets = /\b(sk-[\w-]{24,}|AKIA[0-9A-Z]{16}|AIza[\w-]{35}|gh[pousr]_\w{36}|xox[abp]-[\w-]{20,}|glpat-[\w-]{20})|-----BEGIN [A-Z ]*PRIVATE KEY-----/;
    // A key made up for a test says so, or repeats itself; a real one does neither.
    const isMadeUp = (text: string) =>
      /test|fake|example|sample|demo|secret|simulat|unknown|wrong|invalid|xxx|000|abc|123/i.test(text) || new Set(text).size < 14;
    expect(linesMatching(written(), secrets, (match) => !isMadeUp(match[0]))).toEqual([]);
  });

  it('leaves no reminder and no conflict mark behind', () => {
    const reminders = /\b(TODO|FIXME|XXX|HACK)\b|^(<{7}|>{7}) /;
    expect(
      linesMatching(
        written().filter((file) => !file.startsWith('test/tidy/')),
        reminders,
      ),
    ).toEqual([]);
  });

  it('says things plainly', () => {
    const boasts =
      /\b(blazing(ly)?|seamless(ly)?|cutting[- ]edge|world[- ]class|state[- ]of[- ]the[- ]art|game[- ]chang\w+|effortless(ly)?|revolutionary|supercharge\w*|delve)\b/i;
    expect(
      linesMatching(
        written().filter((file) => !file.startsWith('test/tidy/') && file !== 'LICENSE'),
        boasts,
      ),
    ).toEqual([]);
  });

  it('switches no check off in place', () => {
    const switches = /@ts-(ignore|nocheck|expect-error)|eslint-disable|prettier-ignore|istanbul ignore/;
    const files = written('libs', 'services', 'test', 'tools').filter((file) => !file.startsWith('test/tidy/'));
    expect(linesMatching(files, switches)).toEqual([]);
  });
});

describe('documentation', () => {
  const pages = repositoryFiles().filter((file) => file.endsWith('.md'));

  it('every relative link leads to a file', () => {
    const broken: string[] = [];
    for (const page of pages) {
      const prose = readText(page)
        .replace(/```[\s\S]*?```/g, '')
        .replace(/`[^`\n]*`/g, '');
      for (const [, target = ''] of prose.matchAll(/\]\(\s*<?([^)\s>]+)/g)) {
        if (/^([a-z]+:|#|\/\/)/i.test(target)) continue;
        const path = join(repositoryRoot, target.startsWith('/') ? '' : dirname(page), decodeURIComponent(target.replace(/[#?].*$/, '')));
        if (!existsSync(path)) broken.push(`${page}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it.each(['README.md', 'LICENSE', 'SECURITY.md', 'CONTRIBUTING.md'])('%s is there', (file) => {
    expect(statSync(join(repositoryRoot, file)).size).toBeGreaterThan(200);
  });
});

describe('suites', () => {
  it.each(['contract', 'compat', 'e2e', 'tidy'])('test/%s has tests', (suite) => {
    expect(repositoryFiles(`test/${suite}`).filter((file) => file.endsWith('.spec.ts')).length).toBeGreaterThan(0);
  });
});
