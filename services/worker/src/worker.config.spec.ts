import { describe, expect, it } from '@jest/globals';
import { checkConfig, fieldsOf, loadConfig } from '@switchyard/config';
import { PROVIDER_MANIFESTS } from '@switchyard/providers';
import { providerEnvironment, workerConfig } from './worker.config.js';

describe('the worker’s settings', () => {
  it('need nothing to start', () => {
    expect(loadConfig(workerConfig, {})).toMatchObject({ maxConcurrentAttempts: 4_096, credentialHosts: [], egressAllowCidrs: [] });
  });

  it.each([
    ['SWITCHYARD_EGRESS_ALLOW_CIDRS', '10.1.0.0/16, fd12::/64, 10.2.3.4/32', ['10.1.0.0', '10.1.0.0/33', 'intranet']],
    [
      'SWITCHYARD_CREDENTIAL_HOSTS',
      'openai=relay.example.com, my-vllm=Relay:8443, groq=[fd12::1]:8000',
      ['relay.example.com', 'openai=https://relay.example.com', 'openai=relay.example.com/v1', 'openai=relay.example.com:443'],
    ],
  ])('say what in %s nobody could use, before anything starts', (env, usable, unusable) => {
    expect(checkConfig([workerConfig], { [env]: usable })).toEqual([]);
    for (const entry of unusable) expect(checkConfig([workerConfig], { [env]: `${usable}, ${entry}` })).toMatchObject([{ env }]);
  });

  it('keep connections for some time, since with none of it no provider could be asked', () => {
    expect(checkConfig([workerConfig], { SWITCHYARD_WORKER_KEEP_ALIVE: '0' })).toMatchObject([{ env: 'SWITCHYARD_WORKER_KEEP_ALIVE' }]);
  });

  it('name every credential as a secret', () => {
    const fields = new Map(fieldsOf(workerConfig).map(([, field]) => [field.env, field]));
    for (const { credentialVariables } of PROVIDER_MANIFESTS) for (const name of credentialVariables) expect(fields.get(name)?.secret).toBe(true);
    expect(fields.get('CLOUDFLARE_ACCOUNT_ID')?.secret).toBe(false);
  });

  it('show the credential store what providers and the operator’s catalogue name, and nothing else', () => {
    const environment = { OPENAI_API_KEY: 'a', SWITCHYARD_CREDENTIAL_OUR_CLUSTER: 'b', SWITCHYARD_CREDENTIAL_HOSTS: 'openai=x', AWS_SECRET_ACCESS_KEY: 'c' };
    const visible = providerEnvironment(loadConfig(workerConfig, environment), environment);
    expect(visible).toMatchObject({ OPENAI_API_KEY: 'a', SWITCHYARD_CREDENTIAL_OUR_CLUSTER: 'b' });
    expect(Object.keys(visible)).not.toEqual(expect.arrayContaining(['AWS_SECRET_ACCESS_KEY']));
    expect(visible['SWITCHYARD_CREDENTIAL_HOSTS']).toBeUndefined();
  });
});
