import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { linesMatching, readText, repositoryFiles, repositoryRoot, textFiles } from './repository-files.js';

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly allowScripts?: Record<string, boolean>;
  readonly nx?: { readonly tags?: readonly string[] };
}

interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
}

const manifest = JSON.parse(readText('package.json')) as Manifest;
const locked = (JSON.parse(readText('package-lock.json')) as { packages: Record<string, LockedPackage> }).packages;
const nameOf = (path: string) => path.replace(/^.*node_modules\//, '');

/** Packages whose program has another name than the package. */
const NAMED_BY_PROGRAM = new Set(['ts-proto', '@nx/js', '@bufbuild/buf']);

describe('packages', () => {
  it('are pinned to exact versions, since npm picks others on older Nodes', () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
    expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });

  it('are there because something names them', () => {
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    const sources = textFiles().filter((file) => file !== 'package.json' && file !== 'package-lock.json' && !file.endsWith('.md'));
    const text = sources.map(readText).join('\n');
    // A type package goes with what it describes; a code generator is named by its program.
    const mentions = (name: string) =>
      [name, name.replace(/^@types\//, ''), `node_modules/${name}`].some((word) => text.includes(word)) || NAMED_BY_PROGRAM.has(name);
    expect(names.filter((name) => !mentions(name))).toEqual([]);
  });

  it('of the product are not development packages', () => {
    const development = new Set(Object.keys(manifest.devDependencies ?? {}));
    const product = repositoryFiles('libs', 'services').filter(
      (file) => file.endsWith('.ts') && !/\.(spec|fake)\.ts$|\/(fixtures|conformance|testing)\/|^libs\/testing\//.test(file),
    );
    const wrong = product.flatMap((file) =>
      [...readText(file).matchAll(/from '((?:@[^/']+\/)?[^./'@][^/']*)/g)]
        .filter(([, name = '']) => development.has(name))
        .map(([, name]) => `${file}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('that only a migration needs are loaded by nothing else: a start that finds nothing to do spares the memory', () => {
    const files = repositoryFiles('libs', 'services').filter((file) => file.endsWith('.ts') && !/\.spec\.ts$|^libs\/testing\//.test(file));
    expect(linesMatching(files, /(?<!^(im|ex)port type .*)from 'typeorm'/m).map((line) => line.split(':')[0])).toEqual(['libs/db/src/apply-missing.ts']);
    expect(linesMatching(files, /from '.*apply-missing\.js'/)).toEqual([]);
  });

  it('for every platform are in the lockfile, or `npm ci` refuses it', () => {
    const { status, stderr } = spawnSync(process.execPath, ['tools/complete-lockfile.mjs', '--check'], { cwd: repositoryRoot, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('with install scripts are each allowed or refused by name', () => {
    const decided = manifest.allowScripts ?? {};
    const open = Object.entries(locked).filter(([path, entry]) => entry.hasInstallScript && !(nameOf(path) in decided));
    expect(open.map(([path]) => path)).toEqual([]);
  });

  it('have licences that permit use in any product', () => {
    const permissive =
      /^\(?(MIT(-0)?|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD|BlueOak-1\.0\.0|CC0-1\.0|CC-BY-[34]\.0|Python-2\.0|Unlicense|PostgreSQL|Zlib)\b|OR (MIT|BSD-[23]-Clause|Apache-2\.0)\)/;
    const others = Object.entries(locked).filter(
      ([path, { license, link }]) => path.includes('node_modules/') && !link && license !== undefined && !permissive.test(license),
    );
    expect(others.map(([path, { license }]) => `${path}: ${license}`)).toEqual([]);
  });
});

describe('projects', () => {
  it.each(repositoryFiles('libs', 'services', 'test').filter((file) => file.endsWith('package.json')))(
    '%s has the tags that the dependency rules read',
    (file) => {
      const tags = (JSON.parse(readText(file)) as Manifest).nx?.tags ?? [];
      expect(tags.filter((tag) => tag.startsWith('layer:'))).toHaveLength(1);
    },
  );
});
