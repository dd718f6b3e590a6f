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

  it('tells what may stand where the kind of an object is told', () => {
    const animal = z.discriminatedUnion('kind', [z.object({ kind: z.literal('cat') }), z.object({ kind: z.literal('dog') })]);
    expect(() => parseOrRefuse(z.array(animal), [{ kind: 'cow' }])).toThrow("0.kind: expected one of 'cat' | 'dog'");
  });
});
