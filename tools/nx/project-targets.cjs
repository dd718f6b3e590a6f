/**
 * Gives every project the same nx targets, so that no project.json has to repeat them: build, typecheck, lint and test.
 * Black-box suites are test/<name>; their test target bears the folder's name (`nx e2e`, `nx contract`, …).
 */
const { existsSync, readdirSync } = require('node:fs');
const { basename, dirname, join } = require('node:path');

const hasFile = (directory, pattern) => existsSync(directory) && readdirSync(directory, { recursive: true }).some((file) => pattern.test(String(file)));

const SHARED = ['{workspaceRoot}/package-lock.json', '{workspaceRoot}/tsconfig.base.json', '{workspaceRoot}/.swcrc'];
const OWN_SOURCES = ['{projectRoot}/src/**/*', '{projectRoot}/package.json'];
const EVERY_SOURCE = [...OWN_SOURCES, '^sources', ...SHARED];

const command = (text, options) => ({ executor: 'nx:run-commands', options: { command: text, cwd: '{workspaceRoot}' }, ...options });

function targetsOf(root, workspaceRoot) {
  const isSuite = root.startsWith('test/');
  const name = basename(root);
  const directory = join(workspaceRoot, root);
  const lint = command(`eslint ${root}`, { cache: true, inputs: [...EVERY_SOURCE, '{projectRoot}/**/*.ts', '{workspaceRoot}/eslint.config.mjs'] });
  const targets = { lint };
  if (hasFile(join(directory, 'src'), /\.ts$/)) {
    targets.build = command(`node tools/build.mjs ${root}`, { cache: true, inputs: [...OWN_SOURCES, ...SHARED], outputs: ['{projectRoot}/dist'] });
  }
  targets.typecheck = command(`node tools/typecheck-project.mjs ${root}`, { cache: true, inputs: [...EVERY_SOURCE, '{projectRoot}/**/*.ts'] });
  const test = command(`jest -c jest.config.mjs --passWithNoTests ${root}/`, {
    inputs: [...EVERY_SOURCE, '{projectRoot}/**/*.ts', '{workspaceRoot}/jest.config.mjs'],
  });
  // A black-box suite starts the built programs and depends on more than its inputs: it is never cached.
  targets[isSuite ? name : 'test'] = isSuite ? { ...test, cache: false } : { ...test, cache: true };
  return targets;
}

exports.name = 'switchyard-project-targets';
exports.createNodesV2 = [
  '{libs,services,test}/*/package.json',
  (manifests, _options, context) =>
    manifests.map((manifest) => {
      const root = dirname(manifest);
      return [manifest, { projects: { [root]: { root, targets: targetsOf(root, context.workspaceRoot) } } }];
    }),
];
