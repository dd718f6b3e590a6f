import { describe, expect, it } from '@jest/globals';
import { formatTraceparent, parseTraceparent } from './index.js';

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
