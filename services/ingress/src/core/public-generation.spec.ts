import { describe, expect, it } from '@jest/globals';
import { events } from '@switchyard/proto';
import { publicGeneration } from './public-generation.js';

describe('the cache discount of a generation', () => {
  const discount = (meters: Record<string, number>, unitPricesPico: Record<string, bigint>, discountMillionths = 0): number | null =>
    publicGeneration(events.GenerationCompleted.fromPartial({ usage: { meters }, unitPricesPico, discountMillionths })).cache_discount;

  it('is what reading from the cache saved, less what writing to it cost more', () => {
    const prices = { input_uncached: 2_000_000n, cache_read: 200_000n, cache_write_5m: 2_500_000n };
    expect(discount({ input_uncached: 10, cache_read: 1_000 }, prices)).toBe(0.0018);
    expect(discount({ input_uncached: 10, cache_write_5m: 1_000 }, prices)).toBe(-0.0005);
    expect(discount({ input_uncached: 10, cache_read: 1_000 }, prices, 500_000)).toBe(0.0009);
    expect(discount({ input_uncached: 10 }, prices)).toBeNull();
  });

  it('counts cached audio against the price of audio', () => {
    const prices = { input_uncached: 2_000_000n, input_audio: 32_000_000n, cache_read: 200_000n, cache_read_audio: 400_000n };
    expect(discount({ input_uncached: 10, input_audio: 5, cache_read_audio: 1_000 }, prices)).toBe(0.0316);
    expect(discount({ input_uncached: 10, input_audio: 5, cache_read: 1_000, cache_read_audio: 1_000 }, prices)).toBe(0.0334);
  });

  it('leaves cached audio out where no price of audio is known: that of text says nothing of it', () => {
    const prices = { input_uncached: 2_000_000n, cache_read: 200_000n, cache_read_audio: 400_000n };
    expect(discount({ input_uncached: 10, cache_read_audio: 1_000 }, prices)).toBeNull();
    expect(discount({ input_uncached: 10, cache_read: 1_000, cache_read_audio: 1_000 }, prices)).toBe(0.0018);
  });
});
