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
