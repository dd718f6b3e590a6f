import { describe, expect, it } from '@jest/globals';
import { checkConfig, loadConfig } from '@switchyard/config';
import { ingressConfig } from './ingress.config.js';

describe('origins whose pages may call', () => {
  it.each([
    'https://app.example.com',
    'http://localhost:5173',
    'tauri://localhost',
    'capacitor://localhost',
    'app://obsidian.md',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    '*',
  ])('may be %s, as browsers and apps spell it', (origin) => {
    expect(loadConfig(ingressConfig, { SWITCHYARD_CORS_ORIGINS: origin }).corsOrigins).toEqual([origin]);
  });

  it.each([
    'https://app.example.com/',
    'https://App.example.com',
    'https://app.example.com:443',
    'app.example.com',
    'tauri://',
    'tauri://localhost/page',
    'null',
  ])('may not be %s, which no request would name', (origin) => {
    expect(checkConfig([ingressConfig], { SWITCHYARD_CORS_ORIGINS: origin })).toMatchObject([{ env: 'SWITCHYARD_CORS_ORIGINS' }]);
  });
});

describe('the bounds of an ingress', () => {
  it.each([
    ['SWITCHYARD_DRAIN_TIMEOUT_MS', '15m', { drainTimeoutMs: 900_000 }],
    ['SWITCHYARD_KEY_GRACE_MS', '1000', { keyGraceMs: 1_000 }],
    ['SWITCHYARD_SPOOL_MAX_BYTES', '2GiB', { spoolMaxBytes: 2 * 1024 ** 3 }],
    ['SWITCHYARD_MIN_UPLOAD_BYTES_PER_SECOND', '64KiB', { minUploadBytesPerSecond: 65_536 }],
  ])('are written with units as everywhere: %s=%s', (env, text, expected) => {
    expect(loadConfig(ingressConfig, { [env]: text })).toMatchObject(expected);
  });

  it.each([
    ['SWITCHYARD_ATTEMPT_TOTAL_MS', 'long', 'must be a duration such as 250ms, 5s or 10m'],
    ['SWITCHYARD_ATTEMPT_TOTAL_MS', '0', 'must be at least 1ms'],
    ['SWITCHYARD_ATTEMPT_TOTAL_MS', '25h', 'must be at most 86400000ms'],
    ['SWITCHYARD_MAX_BODY_BYTES', 'much', 'must be a size such as 4096, 64KiB or 32MiB'],
    ['SWITCHYARD_MAX_BODY_BYTES', '0', 'must be at least 1'],
    ['SWITCHYARD_MAX_MESSAGE_COUNT', 'many', 'must be a whole number'],
    ['SWITCHYARD_HTTP_PORT', '70000', 'must be at most 65535'],
  ])('say what they must be: %s=%s', (env, text, message) => {
    expect(checkConfig([ingressConfig], { [env]: text })).toEqual([{ env, message: `="${text}" ${message}` }]);
  });
});
