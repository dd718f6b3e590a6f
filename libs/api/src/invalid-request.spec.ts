import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { parseOrRefuse } from './invalid-request.js';

describe('parseOrRefuse', () => {
  it('judges nothing after what it tells', () => {
    let judgedCount = 0;
    const item = z.string().refine(() => ++judgedCount < 3, { error: 'the third', abort: true });
    expect(() => parseOrRefuse(z.array(item), Array(100).fill('x'))).toThrow('2: the third');
    expect(judgedCount).toBe(3);
  });
});
