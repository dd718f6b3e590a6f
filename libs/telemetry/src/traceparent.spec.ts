import { describe, expect, it } from '@jest/globals';
import { formatTraceparent, parseTraceparent, parseTracestate } from './index.js';

const HEADER = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('parseTraceparent', () => {
  it('reads what it formats', () => {
    expect(formatTraceparent(parseTraceparent(HEADER)!)).toBe(HEADER);
  });

  it('reads a later version with more parts', () => {
    expect(parseTraceparent(`cc${HEADER.slice(2)}-what-comes-later`)?.isSampled).toBe(true);
  });

  it.each([
    undefined,
    '',
    HEADER.toUpperCase(),
    `ff${HEADER.slice(2)}`,
    `${HEADER}-more`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`,
  ])('refuses %s', (header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });
});

describe('parseTracestate', () => {
  it.each([
    ['vendor=opaque', 'vendor=opaque'],
    ['ot=th:c, tenant@vendor=a:b/c ,,', 'ot=th:c,tenant@vendor=a:b/c'],
    [Array.from({ length: 32 }, (_, index) => `k${index}=1`).join(','), Array.from({ length: 32 }, (_, index) => `k${index}=1`).join(',')],
  ])('passes %s on', (header, passedOn) => {
    expect(parseTracestate(header)).toBe(passedOn);
  });

  it.each([
    undefined,
    '',
    'no-value',
    'UPPER=1',
    'a=b=c',
    'a=1\r\nx-injected: 2',
    'a=ü',
    `a=${'x'.repeat(600)}`,
    Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(','),
  ])('passes nothing on of %j', (header) => {
    expect(parseTracestate(header)).toBe('');
  });
});
