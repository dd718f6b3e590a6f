import { describe, expect, it } from '@jest/globals';
import { TARGET_NAMES } from '@switchyard/runtime';
import { serviceEnvironment, withDefaults } from './service-environment.js';

const OTHERS = { PATH: '/bin', SWITCHYARD_LOG_LEVEL: 'debug', SWITCHYARD_DATABASE_URL: 'postgres://localhost/a' };
const CREDENTIALS = { OPENAI_API_KEY: 'sk-1', CLOUDFLARE_API_TOKEN: 'sk-2', SWITCHYARD_CREDENTIAL_OUR_CLUSTER: 'sk-3' };

describe('the variables of a service', () => {
  it.each(TARGET_NAMES)('are all but the credentials of providers, which the worker alone has: %s', (target) => {
    expect(serviceEnvironment(target, { ...OTHERS, ...CREDENTIALS })).toEqual(target === 'worker' ? { ...OTHERS, ...CREDENTIALS } : OTHERS);
  });
});

it('the defaults of the quick start stand for variables that are unset or empty', () => {
  const environment = { SWITCHYARD_GRPC_PORT: '', SWITCHYARD_DRAIN_DELAY_MS: '2s' };
  expect(withDefaults(environment, { SWITCHYARD_GRPC_PORT: '0', SWITCHYARD_DRAIN_DELAY_MS: '0' })).toEqual({
    SWITCHYARD_GRPC_PORT: '0',
    SWITCHYARD_DRAIN_DELAY_MS: '2s',
  });
});
