import { describe, expect, it } from '@jest/globals';
import { reachableOrigin } from './reachable-host.js';

describe('the origin of a server of this machine', () => {
  it.each([
    ['127.0.0.1', 'http://127.0.0.1:8080'],
    ['0.0.0.0', 'http://127.0.0.1:8080'],
    ['::', 'http://[::1]:8080'],
    ['::1', 'http://[::1]:8080'],
    ['192.0.2.7', 'http://192.0.2.7:8080'],
    ['gateway.internal', 'http://gateway.internal:8080'],
  ])('that listens on %s is %s', (host, origin) => {
    expect(reachableOrigin(host, 8080)).toBe(origin);
  });
});
