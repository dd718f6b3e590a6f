import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.js';

describe('a byte queue', () => {
  it('gives every byte once and in order, however it was filled and emptied', () => {
    const step = fc.oneof(
      fc.record({ push: fc.uint8Array({ maxLength: 3_000 }) }),
      fc.record({ take: fc.oneof(fc.nat(3_000), fc.constant(Infinity)) }),
      fc.constant({ clear: true }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new ByteQueue();
        let expected = Buffer.alloc(0);
        for (const action of steps) {
          if ('push' in action) {
            queue.push(action.push);
            expected = Buffer.concat([expected, action.push]);
            action.push.fill(0);
          } else if ('take' in action) {
            expect(queue.take(action.take).equals(expected.subarray(0, Math.min(action.take, expected.byteLength)))).toBe(true);
            expected = expected.subarray(Math.min(action.take, expected.byteLength));
          } else {
            queue.clear();
            expected = Buffer.alloc(0);
          }
          expect(queue.sizeBytes).toBe(expected.byteLength);
        }
      }),
    );
  });

  it('fills the same memory again once it was emptied', () => {
    const queue = new ByteQueue();
    queue.push(Buffer.alloc(20_000, 'a'));
    const first = queue.take(Infinity);
    queue.push(Buffer.alloc(20_000, 'b'));
    expect(queue.take(Infinity).buffer).toBe(first.buffer);
  });
});
