import { describe, expect, it } from '@jest/globals';
import { ownBytes, passingBytes } from './passing-bytes.js';

const TEXT = 'Grüße, 世界 🌍';

describe('a text that passes', () => {
  it('has the same bytes wherever they are, also when it is too large to share memory', () => {
    for (const text of ['', TEXT, TEXT.repeat(1_000), TEXT.repeat(20_000)]) {
      expect(passingBytes(text).equals(Buffer.from(text))).toBe(true);
      expect(ownBytes(text).equals(Buffer.from(text))).toBe(true);
    }
  });

  it('takes the place of the one before it, unless it was given memory of its own', () => {
    const first = passingBytes('first');
    const kept = ownBytes('first'.repeat(1_000));
    const second = passingBytes('other');
    expect(first.buffer).toBe(second.buffer);
    expect(first.toString()).toBe('other');
    expect(kept.toString()).toBe('first'.repeat(1_000));
  });

  it('keeps no more memory than it needs while it waits, and a request none of what all share', () => {
    expect(ownBytes('x'.repeat(3_000)).buffer.byteLength).toBe(3_000);
    expect(ownBytes('x'.repeat(30), 0).buffer.byteLength).toBe(30);
  });
});
