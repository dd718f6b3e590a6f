import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import { confine } from './tools/eslint/confine.mjs';
import { confinements } from './tools/eslint/confinements.mjs';

const TESTS = ['**/*.spec.ts', 'test/**/*.ts'];
const PRODUCT = ['libs/*/src/**/*.ts', 'services/*/src/**/*.ts'];

// Only specs import test helpers (switchyard/confine), but a project's tags speak for all of its files.
const HELPERS = 'layer:testing';

const FORM = [
  // Names say what a thing is where it is imported, and can be searched for.
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
  { selector: 'TSEnumDeclaration', message: 'Use a union of strings: enums do not erase.' },
];
// Inside a service an import leads straight to the file that does the work.
const NO_BARREL = { selector: 'ExportAllDeclaration', message: 'No barrel files inside services: import the file itself.' };
// Every query of a table is found in one place.
const NO_SQL = {
  selector: 'CallExpression[callee.property.name="query"] > :matches(Literal, TemplateLiteral):first-child',
  message: 'SQL lives in *.store.ts.',
};

/** Who may import whom. Tags are in each project's package.json. */
const dependencyRules = [
  // The vocabulary imports nothing of ours; the decision engine imports the vocabulary alone, so that both run anywhere.
  { sourceTag: 'lib:core', onlyDependOnLibsWithTags: ['lib:core', HELPERS] },
  { sourceTag: 'lib:routing', onlyDependOnLibsWithTags: ['lib:core', HELPERS] },
  // What the outside sees: errors, public schemas, generated messages. No infrastructure, so that any side can use them.
  { sourceTag: 'layer:contract', onlyDependOnLibsWithTags: ['lib:core', 'layer:contract', HELPERS] },
  // Infrastructure serves every service and knows none.
  { sourceTag: 'layer:infrastructure', onlyDependOnLibsWithTags: ['layer:core', 'layer:contract', 'layer:infrastructure', HELPERS] },
  // Dialects and providers are pure functions over bytes: no sockets, no settings, no telemetry.
  { sourceTag: 'layer:dialect', onlyDependOnLibsWithTags: ['lib:core', 'layer:contract', 'layer:dialect', HELPERS] },
  { sourceTag: 'layer:provider', onlyDependOnLibsWithTags: ['lib:core', 'layer:contract', 'layer:dialect', 'layer:provider', HELPERS] },
  // A service never imports a service: they meet in derived ports (proto), so that each can run in its own process.
  {
    sourceTag: 'layer:service',
    onlyDependOnLibsWithTags: ['layer:core', 'layer:contract', 'layer:infrastructure', 'layer:dialect', 'layer:provider', HELPERS],
  },
  // Only the program composes services.
  { sourceTag: 'layer:program', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'layer:testing', onlyDependOnLibsWithTags: ['layer:core', 'layer:contract', 'layer:infrastructure', HELPERS] },
  { sourceTag: 'layer:test', onlyDependOnLibsWithTags: ['*'] },
];

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      'libs/proto/src/gen/**',
      '.nx/**',
      '.switchyard/**',
      'coverage/**',
      'test-results/**',
      'test/tidy/fixtures/**',
    ],
  },
  {
    // A rule that does not fit is discussed and changed here, for everybody; it is not switched off in a file.
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' },
    plugins: { '@nx': nx, '@typescript-eslint': tseslint.plugin, switchyard: { rules: { confine } } },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { project: ['./tsconfig.json'], tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: false,
          banTransitiveDependencies: false,
          allow: [],
          // Loading a library late is a choice of the file that does it, not of every other.
          checkDynamicDependenciesExceptions: ['.*'],
          // Specs of infrastructure use the test helpers, which start that infrastructure. The product itself never
          // imports them (switchyard/confine), so these are no cycles at run time.
          ignoredCircularDependencies: [['@switchyard/testing', '*']],
          depConstraints: dependencyRules,
        },
      ],
      'switchyard/confine': ['error', confinements],

      'no-restricted-syntax': ['error', ...FORM],
      // A function that needs scrolling is two functions; a file has one reason to change.
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-throw-literal': 'off',
      'no-debugger': 'error',
      'no-self-compare': 'error',
      'no-template-curly-in-string': 'off',
      'no-unreachable-loop': 'error',
      'no-promise-executor-return': 'off',
      'require-atomic-updates': 'off',

      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-expect-error': true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // Nest modules are classes without members.
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-empty-object-type': ['error', { allowInterfaces: 'with-single-extends' }],
      // The rules that need types, kept to those that find lost errors: a promise nobody awaits fails unseen.
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
    },
  },
  {
    files: ['services/*/src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...FORM, NO_BARREL, NO_SQL] },
  },
  {
    files: ['services/*/src/**/*.store.ts', 'services/*/src/**/migrations/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...FORM, NO_BARREL] },
  },
  {
    // A migration is a list of statements, read from top to bottom.
    files: ['**/migrations/**/*.ts'],
    rules: { 'max-lines-per-function': 'off' },
  },
  {
    // The program's commands print; services log.
    files: PRODUCT,
    ignores: ['services/all/src/**'],
    rules: { 'no-console': 'error' },
  },
  {
    files: TESTS,
    rules: {
      // `describe` is a function of as many lines as there is to say.
      'max-lines-per-function': 'off',
      'max-lines': ['error', { max: 700, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['**/*.spec.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...FORM,
        // A test that does not run proves nothing, and nobody misses it.
        { selector: 'MemberExpression[object.name=/^(it|test|describe)$/][property.name=/^(only|skip|todo|failing)$/]', message: 'Every test runs.' },
        { selector: 'CallExpression[callee.name=/^(fit|xit|xtest|fdescribe|xdescribe)$/]', message: 'Every test runs.' },
        // Fakes come through constructors: hoisted module mocks do not exist for ES modules.
        { selector: 'MemberExpression[object.name="jest"][property.name=/^(mock|unstable_mockModule)$/]', message: 'Pass fakes through constructors.' },
        // Waiting for a time is either too long or too short: await the condition (eventually()) or move a manual clock.
        {
          selector: 'NewExpression[callee.name="Promise"] > ArrowFunctionExpression > CallExpression[callee.name="setTimeout"]',
          message: 'No sleeps: eventually(), or a manual clock.',
        },
      ],
    },
  },
  {
    files: ['**/*.mjs', '**/*.cjs'],
    languageOptions: { ecmaVersion: 2024 },
    rules: { 'no-debugger': 'error', 'no-eval': 'error', 'prefer-const': 'error', eqeqeq: ['error', 'always', { null: 'ignore' }] },
  },
);
