import { beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}
interface Bill {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}
interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean; readonly optional?: boolean; readonly link?: boolean }>>;
}
interface BillModule {
  imageBill(document: Bill, lockfile: Lockfile, nodeVersion: string): Bill;
  productionPackages(lockfile: Lockfile): ReadonlySet<string>;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const lockfile: Lockfile = {
  packages: {
    'libs/core': { version: '0.1.0' },
    'test/e2e': { version: '0.1.0' },
    'node_modules/@switchyard/core': { link: true },
    'node_modules/@scope/used': { version: '1.0.0' },
    'node_modules/used/node_modules/nested': { version: '2.0.0' },
    'node_modules/compiler': { version: '3.0.0', dev: true },
    'node_modules/binary': { version: '4.0.0', optional: true },
  },
};
const component = (name: string, version: string): Component => ({
  'bom-ref': `${name}@${version}`,
  name: name.split('/').at(-1)!,
  version,
  purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
});
const document: Bill = {
  metadata: { component: component('folder', '0.1.0') },
  components: [component('@scope/used', '1.0.0'), component('nested', '2.0.0'), component('compiler', '3.0.0'), component('binary', '4.0.0')],
  dependencies: [
    { ref: 'nested@2.0.0', dependsOn: ['compiler@3.0.0', '@scope/used@1.0.0'] },
    { ref: 'compiler@3.0.0', dependsOn: [] },
  ],
};

describe('the bill of materials of the image', () => {
  let bill: BillModule;
  beforeAll(async () => {
    bill = (await import(pathToFileURL(join(root, 'tools', 'image', 'sbom.mjs')).href)) as BillModule;
  });

  it('lists what a production installation has and nothing else, with Node', () => {
    const { components, dependencies, metadata } = bill.imageBill(document, lockfile, '24.0.0');
    expect(components.map(({ name }) => name)).toEqual(['used', 'nested', 'node']);
    expect(dependencies).toEqual([{ ref: 'nested@2.0.0', dependsOn: ['@scope/used@1.0.0'] }]);
    expect(metadata.component.name).toBe('switchyard');
  });

  it('is refused when a package of the lock file is missing in it', () => {
    const without = { ...document, components: document.components.slice(1) };
    expect(() => bill.imageBill(without, lockfile, '24.0.0')).toThrow('@scope/used@1.0.0');
  });

  it('knows every direct dependency of the repository that is installed for production', () => {
    const real = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile;
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
    const known = bill.productionPackages(real);
    expect(Object.entries(dependencies).filter(([name, version]) => !known.has(`${name}@${version}`))).toEqual([]);
  });
});
