import { describe, expect, it } from '@jest/globals';
import { chanceOf, newTraceId } from './trace-ids.js';
import { createTraceSampler } from './trace-sampler.js';
import { seededRandom } from '@switchyard/testing';

const PARENT = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const sampled = { ...PARENT, isSampled: true };
const unsampled = { ...PARENT, isSampled: false };

describe('samplers of the standard', () => {
  it.each([
    ['always_on', 0, [true, true, true]],
    ['always_off', 1, [false, false, false]],
    ['traceidratio', 1, [true, true, true]],
    ['traceidratio', 0, [false, false, false]],
    ['parentbased_always_on', 0, [true, true, false]],
    ['parentbased_always_off', 1, [false, true, false]],
    ['parentbased_traceidratio', 1, [true, true, false]],
    ['parentbased_traceidratio', 0, [false, true, false]],
  ] as const)('%s with %d takes roots, children of the recorded and of the unrecorded as it should', (name, ratio, [root, ofSampled, ofUnsampled]) => {
    const sampler = createTraceSampler(name, ratio);
    expect([undefined, sampled, unsampled].map((parent) => sampler.isSampled(parent, 0.5))).toEqual([root, ofSampled, ofUnsampled]);
  });

  it('takes the share that was asked for, and the same ids for every larger share', () => {
    const random = seededRandom(7);
    const ids = Array.from({ length: 4_000 }, () => newTraceId(random));
    const taken = (ratio: number) => ids.filter((id) => createTraceSampler('traceidratio', ratio).isSampled(undefined, chanceOf(id)));
    const [few, more] = [new Set(taken(0.01)), new Set(taken(0.1))];
    expect(few.size).toBeGreaterThan(15);
    expect(few.size).toBeLessThan(80);
    expect(more.size).toBeGreaterThan(300);
    expect([...few].every((id) => more.has(id))).toBe(true);
  });
});
