/**
 * Resolves what TypeScript's "nodenext" spelling means when the sources themselves run: `./x.js` is `./x.ts`, and a
 * workspace package (`@switchyard/<name>[/<part>]`) is its source, so that unit specs need no build.
 */
const { existsSync, readFileSync, readdirSync } = require('node:fs');
const { join, resolve } = require('node:path');

const root = resolve(__dirname, '../..');
const packages = new Map();

for (const group of ['libs', 'services', 'test']) {
  for (const name of readdirSync(join(root, group))) {
    const manifest = join(root, group, name, 'package.json');
    if (existsSync(manifest)) {
      const { name: packageName, exports } = JSON.parse(readFileSync(manifest, 'utf8'));
      packages.set(packageName, { directory: join(root, group, name), exports: exports ?? {} });
    }
  }
}

function workspaceSource(request) {
  const [scope, name, ...rest] = request.split('/');
  const found = packages.get(`${scope}/${name}`);
  if (!found) return undefined;
  const subpath = rest.length === 0 ? '.' : `./${rest.join('/')}`;
  const declared = found.exports[subpath]?.types;
  if (declared) return join(found.directory, declared);
  const direct = join(found.directory, 'src', `${rest.join('/') || 'index'}.ts`);
  return existsSync(direct) ? direct : undefined;
}

module.exports = (request, options) => {
  if (request.startsWith('@switchyard/')) {
    const source = workspaceSource(request);
    if (source) return source;
  }
  if (request.startsWith('.') && request.endsWith('.js') && !options.basedir.includes('node_modules')) {
    const source = resolve(options.basedir, `${request.slice(0, -3)}.ts`);
    if (existsSync(source)) return source;
  }
  return options.defaultResolver(request, options);
};
