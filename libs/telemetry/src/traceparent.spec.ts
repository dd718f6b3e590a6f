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

/** Members of a length each, apart by their keys. */
function membersOf(count: number, length: number): string {
  return Array.from({ length: count }, (_, index) => `k${index}=`.padEnd(length + 1, 'x')).join(',');
}

describe('parseTracestate', () => {
  it.each([
    ['vendor=opaque', 'vendor=opaque'],
    ['ot=th:c, tenant@vendor=a:b/c ,,', 'ot=th:c,tenant@vendor=a:b/c'],
    [Array.from({ length: 32 }, (_, index) => `k${index}=1`).join(','), Array.from({ length: 32 }, (_, index) => `k${index}=1`).join(',')],
    [` ${membersOf(8, 62)} , `, membersOf(8, 62)],
  ])('passes %s on', (header, passedOn) => {
    expect(parseTracestate(header)).toBe(passedOn);
  });

  it('passes 512 characters on of more, in whole members: long ones go first, then the last', () => {
    const [long, longer] = [`long=${'x'.repeat(200)}`, `longer=${'x'.repeat(200)}`];
    expect(membersOf(8, 62)).toHaveLength(511);
    expect(parseTracestate(`${membersOf(8, 62)},z=1`)).toBe(membersOf(8, 62));
    expect(parseTracestate(`${long},${membersOf(4, 62)},${longer},z=1`)).toBe(`${long},${membersOf(4, 62)},z=1`);
    expect(parseTracestate(`${long},${membersOf(10, 62)}`)).toBe(membersOf(8, 62));
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
