import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkConfig, ConfigError, loadConfig } from '@switchyard/config';
import { captureLogger, TestAuthority } from '@switchyard/testing';
import { connectionProblems, kafkaOptions, openTls } from './connection-settings.js';
import { platformConfig } from './platform.config.js';

describe('the settings of connections', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'switchyard-settings-'));
    for (const name of ['crt', 'key', 'ca', 'password', 'token']) writeFileSync(join(folder, name), `${name} one\n`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Values that begin with `./` are files of the folder. */
  const environmentOf = (values: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`SWITCHYARD_${name}`, value.startsWith('./') ? join(folder, value) : value]));
  const configOf = (values: Record<string, string>) => loadConfig(platformConfig, environmentOf(values));
  const TLS = { TLS_CERT_FILE: './crt', TLS_KEY_FILE: './key', TLS_CA_FILE: './ca' };
  const PLAIN = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_USERNAME: 'me' };

  it.each<[Record<string, string>, string[]]>([
    [{}, []],
    [TLS, []],
    [{ TLS_CERT_FILE: './crt' }, ['SWITCHYARD_TLS_KEY_FILE']],
    [{ ...TLS, TLS_CA_FILE: '' }, ['SWITCHYARD_TLS_CA_FILE']],
    [{ ...TLS, BILLING_ADDRESS: '10.0.0.1:9090' }, ['SWITCHYARD_TLS_SERVER_NAME']],
    [{ ...TLS, BILLING_ADDRESS: '10.0.0.1:9090', TLS_SERVER_NAME: 'billing' }, []],
    [{ ...TLS, BILLING_ADDRESS: 'billing:9090' }, []],
    [{ KAFKA_CA_FILE: './ca' }, ['SWITCHYARD_KAFKA_TLS']],
    [{ KAFKA_TLS: 'true', KAFKA_CERT_FILE: './crt' }, ['SWITCHYARD_KAFKA_KEY_FILE']],
    [{ KAFKA_TLS: 'true', KAFKA_CERT_FILE: './crt', KAFKA_KEY_FILE: './key' }, []],
    [{ KAFKA_SASL_MECHANISM: 'plain' }, ['SWITCHYARD_KAFKA_USERNAME', 'SWITCHYARD_KAFKA_PASSWORD_FILE']],
    [{ ...PLAIN, KAFKA_PASSWORD_FILE: './password' }, []],
    [{ ...PLAIN, KAFKA_PASSWORD: 'secret' }, []],
    [{ KAFKA_SASL_MECHANISM: 'oauthbearer' }, ['SWITCHYARD_KAFKA_TOKEN_FILE']],
  ])('%j: what is missing is %j', (values, missing) => {
    expect(connectionProblems(configOf(values)).map(({ env }) => env)).toEqual(missing);
  });

  it('name a file that cannot be read', () => {
    const environment = environmentOf({ TLS_CERT_FILE: './nothing', DATABASE_URL: 'postgres://host/db?sslmode=often' });
    expect(checkConfig([platformConfig], environment)).toEqual([
      { env: 'SWITCHYARD_DATABASE_URL', message: 'must have one of disable, require, verify-ca, verify-full as sslmode, not often' },
      { env: 'SWITCHYARD_TLS_CERT_FILE', message: `="${join(folder, 'nothing')}" cannot be read: ENOENT` },
    ]);
  });

  it('name a folder that stands where a file belongs, as a secret is mounted whole', () => {
    expect(checkConfig([platformConfig], environmentOf({ KAFKA_PASSWORD_FILE: './' }))).toEqual([
      { env: 'SWITCHYARD_KAFKA_PASSWORD_FILE', message: `="${join(folder, './')}" cannot be read: it is a folder` },
    ]);
  });

  it('say which certificate cannot be used, and none where there is plain text', () => {
    expect(openTls(configOf({}), captureLogger())).toBeUndefined();
    expect(() => openTls(configOf(TLS), captureLogger())).toThrow(ConfigError);
    expect(() => openTls(configOf(TLS), captureLogger())).toThrow(/crt holds no certificate/);
    const authority = new TestAuthority();
    const { certificate, key } = authority.issue();
    for (const [name, text] of Object.entries({ crt: certificate, key, ca: authority.certificate })) writeFileSync(join(folder, name), text);
    const tls = openTls(configOf({ ...TLS, TLS_SERVER_NAME: 'services' }), captureLogger());
    expect(tls?.serverName).toBe('services');
    tls?.close();
  });

  it('let the password, the token and the certificates for the brokers change', async () => {
    const values = { KAFKA_TLS: 'true', KAFKA_CA_FILE: './ca', ...PLAIN, KAFKA_PASSWORD: 'of old', KAFKA_PASSWORD_FILE: './password' };
    const options = kafkaOptions(configOf(values), 'me', captureLogger());
    const bearer = kafkaOptions(configOf({ KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_TOKEN_FILE: './token' }), 'me', captureLogger());
    const tokenOf = async () => (bearer.sasl as unknown as { oauthBearerProvider(): Promise<{ value: string }> }).oauthBearerProvider();
    expect(options.sasl).toMatchObject({ mechanism: 'plain', username: 'me', password: 'password one' });
    expect(await tokenOf()).toEqual({ value: 'token one' });
    for (const name of ['ca', 'password', 'token']) writeFileSync(join(folder, name), `${name} two`);
    expect(options.sasl).toMatchObject({ password: 'password two' });
    expect(options.ssl).toEqual({ ca: 'ca two' });
    expect(await tokenOf()).toEqual({ value: 'token two' });
  });
});
