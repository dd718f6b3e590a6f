import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import {
  byteSize,
  checkConfig,
  ConfigError,
  defineConfig,
  durationMs,
  field,
  flag,
  integer,
  intervalMs,
  list,
  loadConfig,
  renderHelp,
  renderReference,
  renderValues,
  retentionMs,
  unknownVariables,
  type ConfigOf,
} from './index.js';

const definition = defineConfig({
  port: field({ env: 'SWITCHYARD_TEST_PORT', schema: integer({ min: 1, max: 65_535 }), default: 8080, description: 'Port to listen on.' }),
  limit: field({ env: 'SWITCHYARD_TEST_LIMIT', schema: byteSize(), default: 1024, description: 'Largest body | and more.' }),
  wait: field({ env: 'SWITCHYARD_TEST_WAIT', schema: durationMs(), default: 5000, description: 'How long.' }),
  enabled: field({ env: 'SWITCHYARD_TEST_ENABLED', schema: flag(), default: false, description: 'Whether.' }),
  names: field({ env: 'SWITCHYARD_TEST_NAMES', schema: list(), default: [], description: 'Which.' }),
  database: field({ env: 'SWITCHYARD_TEST_DATABASE', schema: z.url(), description: 'Where.', secret: true }),
  note: field({ env: 'SWITCHYARD_TEST_NOTE', schema: z.string().optional(), description: 'Anything.' }),
});
const required = { SWITCHYARD_TEST_DATABASE: 'postgres://user:hidden@host/db' };

describe('loadConfig', () => {
  it('takes defaults for unset and empty variables', () => {
    const config: ConfigOf<typeof definition> = loadConfig(definition, { ...required, SWITCHYARD_TEST_PORT: '', SWITCHYARD_TEST_WAIT: '  ' });
    expect(config).toEqual({ port: 8080, limit: 1024, wait: 5000, enabled: false, names: [], database: required.SWITCHYARD_TEST_DATABASE, note: undefined });
  });

  it('takes a value without the end of its line, with which secrets are often stored', () => {
    const config = loadConfig(definition, { ...required, SWITCHYARD_TEST_NOTE: ' pass word \r\n', SWITCHYARD_TEST_NAMES: 'a,b\n' });
    expect(config).toMatchObject({ note: ' pass word ', names: ['a', 'b'] });
  });

  it('reads sizes, durations, booleans and lists', () => {
    const config = loadConfig(definition, {
      ...required,
      SWITCHYARD_TEST_LIMIT: '32MiB',
      SWITCHYARD_TEST_WAIT: '1.5s',
      SWITCHYARD_TEST_ENABLED: 'On',
      SWITCHYARD_TEST_NAMES: ' a, b ,,c',
    });
    expect(config).toMatchObject({ limit: 33_554_432, wait: 1500, enabled: true, names: ['a', 'b', 'c'] });
  });

  it.each([
    ['250', 250],
    ['250ms', 250],
    ['10m', 600_000],
    ['24h', 86_400_000],
  ])('reads the duration %s', (text, expected) => {
    expect(loadConfig(definition, { ...required, SWITCHYARD_TEST_WAIT: text }).wait).toBe(expected);
  });

  it.each([
    ['24d', 2_073_600_000],
    ['25d', undefined],
    ['0', 0],
  ])('takes no duration that would be over at once, because no timer can hold it: %s', (text, expected) => {
    const environment = { ...required, SWITCHYARD_TEST_WAIT: text };
    if (expected !== undefined) return expect(loadConfig(definition, environment).wait).toBe(expected);
    expect(catchConfigError(() => loadConfig(definition, environment)).message).toContain('SWITCHYARD_TEST_WAIT ="25d" must be at most 2147483647ms');
  });

  it('takes no interval of zero, which would be all the time, and keeps data as long as one likes, but no shorter than a day', () => {
    const other = defineConfig({
      every: field({ env: 'SWITCHYARD_TEST_EVERY', schema: intervalMs(), default: 1_000, description: 'How often.' }),
      kept: field({ env: 'SWITCHYARD_TEST_KEPT', schema: retentionMs(), default: 1_000, description: 'How long.' }),
    });
    expect(loadConfig(other, { SWITCHYARD_TEST_KEPT: '400d' }).kept).toBe(34_560_000_000);
    // Zero is not for ever, and days without their unit are milliseconds: either would drop all there is.
    for (const text of ['0', '90']) {
      expect(catchConfigError(() => loadConfig(other, { SWITCHYARD_TEST_KEPT: text })).message).toContain(`="${text}" must be at least 86400000ms`);
    }
    expect(catchConfigError(() => loadConfig(other, { SWITCHYARD_TEST_EVERY: '0s' })).message).toContain('SWITCHYARD_TEST_EVERY ="0s" must be at least 1ms');
  });

  it('names every problem at once and no secret', () => {
    const broken = {
      SWITCHYARD_TEST_PORT: '70000',
      SWITCHYARD_TEST_LIMIT: 'much',
      SWITCHYARD_TEST_ENABLED: 'maybe',
      SWITCHYARD_TEST_DATABASE: 'hidden password',
    };
    const error = catchConfigError(() => loadConfig(definition, broken));
    expect(error.problems.map((problem) => problem.env)).toEqual([
      'SWITCHYARD_TEST_PORT',
      'SWITCHYARD_TEST_LIMIT',
      'SWITCHYARD_TEST_ENABLED',
      'SWITCHYARD_TEST_DATABASE',
    ]);
    expect(error.message).toContain('SWITCHYARD_TEST_PORT ="70000" must be at most 65535');
    expect(error.message).not.toContain('hidden password');
  });

  it.each(['abc', '80 80', 'NaN', '1.5'])('says of a number that is none what it must be: %s', (text) => {
    const { problems } = catchConfigError(() => loadConfig(definition, { ...required, SWITCHYARD_TEST_PORT: text }));
    expect(problems).toEqual([{ env: 'SWITCHYARD_TEST_PORT', message: `="${text}" must be a whole number` }]);
  });

  it('says what a missing required variable is for', () => {
    expect(checkConfig([definition, definition], {})).toEqual([{ env: 'SWITCHYARD_TEST_DATABASE', message: 'is required: Where.' }]);
  });

  it('finds variables that nobody reads', () => {
    expect(unknownVariables([definition], { SWITCHYARD_TEST_PORTS: '1', SWITCHYARD_TEST_HOSTS: '', SWITCHYARD_TEST_PORT: '1', PATH: 'x' })).toEqual([
      'SWITCHYARD_TEST_PORTS',
    ]);
    const keys = defineConfig({ key: field({ env: 'SWITCHYARD_TEST_KEY_<SLUG>', schema: z.string().optional(), description: 'One for each.' }) });
    const environment = { SWITCHYARD_TEST_KEY_ACME: '1', SWITCHYARD_TEST_KEY_: '1' };
    expect(unknownVariables([keys], environment)).toEqual(['SWITCHYARD_TEST_KEY_']);
  });
});

describe('rendering', () => {
  const sections = [{ title: 'Test', definition }];

  it('shows only what differs from the defaults, and no secret', () => {
    const environment = { ...required, SWITCHYARD_TEST_PORT: '8080', SWITCHYARD_TEST_WAIT: '1s' };
    expect(renderValues(sections, { onlyChanged: true, environment })).toBe('SWITCHYARD_TEST_WAIT=1s  # default 5000\nSWITCHYARD_TEST_DATABASE=<set>');
  });

  it('shows URLs without the password that is in them, where something is wrong with them, too', () => {
    const environment = { ...required, SWITCHYARD_TEST_NOTE: 'https://name:p@ss:hidden@collector:4318/path@x, b', SWITCHYARD_TEST_PORT: 'http://hidden@x' };
    const text = renderValues(sections, { onlyChanged: true, environment });
    expect(text).toContain('SWITCHYARD_TEST_NOTE=https://<set>@collector:4318/path@x, b');
    expect(`${text}${JSON.stringify(checkConfig([definition], environment))}`).not.toContain('hidden');
  });

  it('lists every variable in the help and in the reference', () => {
    for (const text of [renderHelp(sections), renderReference(sections)]) {
      for (const name of ['PORT', 'LIMIT', 'WAIT', 'ENABLED', 'NAMES', 'DATABASE', 'NOTE']) expect(text).toContain(`SWITCHYARD_TEST_${name}`);
    }
    expect(renderReference(sections)).toContain('| `SWITCHYARD_TEST_LIMIT` | size | `1024` | Largest body \\| and more. |');
  });

  it('writes a default as one would set it, and says the type of what may be left out', () => {
    const written = defineConfig({
      price: field({ env: 'SWITCHYARD_TEST_PRICE', schema: z.bigint(), default: 5_000n, defaultText: '0.5', description: 'Dear.' }),
      spare: field({ env: 'SWITCHYARD_TEST_SPARE', schema: integer({ min: 1 }).optional(), description: 'Or not.' }),
    });
    const shown = [{ title: 'Test', definition: written }];
    expect(renderReference(shown)).toContain('| `SWITCHYARD_TEST_PRICE` | number | `0.5` | Dear. |');
    expect(renderReference(shown)).toContain('| `SWITCHYARD_TEST_SPARE` | whole number |  | Or not. |');
    expect(renderHelp(shown)).toContain('SWITCHYARD_TEST_PRICE (number, default 0.5)');
    expect(renderValues(shown, { onlyChanged: false, environment: {} })).toContain('# SWITCHYARD_TEST_PRICE=0.5');
  });
});

function catchConfigError(action: () => unknown): ConfigError {
  try {
    action();
  } catch (error) {
    if (error instanceof ConfigError) return error;
  }
  throw new Error('no ConfigError was thrown');
}
