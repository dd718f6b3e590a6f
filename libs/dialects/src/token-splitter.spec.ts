import { describe, expect, it } from '@jest/globals';
import { openaiMeters } from './openai-chat/provider/meters.js';
import { tokenCount, TokenSplitter, wholeCounts } from './token-splitter.js';

describe('counts that a provider reports', () => {
  it('are split so that overlapping details never exceed their total', () => {
    const prompt = new TokenSplitter(10);
    expect([prompt.take(7), prompt.take(7), prompt.take(undefined), prompt.take(-3), prompt.remainder]).toEqual([7, 3, 0, 0, 0]);
  });

  it('that are no counts count nothing', () => {
    expect([7, -7, '7', null, undefined].map(tokenCount)).toEqual([7, 0, 0, 0, 0]);
    // A negative prompt makes no output out of a total.
    expect(openaiMeters({ prompt_tokens: -100, completion_tokens: 7, total_tokens: 7 }, undefined)).toEqual({ output_text: 7 });
  });

  it('become whole, bounded numbers, whatever it sends', () => {
    expect(wholeCounts({ input_uncached: 10.7, output_text: -5, reasoning: 0, cache_read: 0.2, web_search: 1e300 })).toEqual({
      input_uncached: 10,
      web_search: 0xffff_ffff,
    });
  });
});
