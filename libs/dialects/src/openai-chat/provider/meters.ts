import { asNumber, asObject, type JsonObject, type Meters } from '@switchyard/core';
import { tokenCount, TokenSplitter, wholeCounts } from '../../token-splitter.js';

/**
 * OpenAI's usage object and its cousins. Cached and audio tokens are part of `prompt_tokens`, reasoning is part of
 * `completion_tokens`; where a provider counts reasoning beside it (its `total_tokens` says so), it is added.
 */
export function openaiMeters(usage: JsonObject, reasoningBesideCompletion: boolean | undefined): Meters {
  const promptTokens = tokenCount(usage['prompt_tokens'] ?? usage['input_tokens']);
  const reported = tokenCount(usage['completion_tokens'] ?? usage['output_tokens']);
  const promptDetails = asObject(usage['prompt_tokens_details']) ?? asObject(usage['input_tokens_details']);
  const completionDetails = asObject(usage['completion_tokens_details']) ?? asObject(usage['output_tokens_details']);
  const reasoningTokens = asNumber(completionDetails?.['reasoning_tokens']);
  const beside = tokensBeside(promptTokens, reported, asNumber(usage['total_tokens']), reasoningTokens, reasoningBesideCompletion);

  const prompt = new TokenSplitter(promptTokens);
  const cacheRead = prompt.take(asNumber(promptDetails?.['cached_tokens']) ?? asNumber(usage['prompt_cache_hit_tokens']) ?? asNumber(usage['cached_tokens']));
  // The second is Alibaba's: https://www.alibabacloud.com/help/en/model-studio/context-cache
  const cacheWrite = prompt.take(asNumber(promptDetails?.['cache_write_tokens']) ?? asNumber(promptDetails?.['cache_creation_input_tokens']));
  const inputAudio = prompt.take(asNumber(promptDetails?.['audio_tokens']));
  const inputImage = prompt.take(asNumber(promptDetails?.['image_tokens']));

  const completion = new TokenSplitter(reported + beside);
  const reasoning = completion.take(Math.max(reasoningTokens ?? 0, beside));
  const outputAudio = completion.take(asNumber(completionDetails?.['audio_tokens']));
  const outputImage = completion.take(asNumber(completionDetails?.['image_tokens']));
  return wholeCounts({
    input_uncached: prompt.remainder,
    cache_read: cacheRead,
    cache_write_5m: cacheWrite,
    input_audio: inputAudio,
    input_image_tokens: inputImage,
    output_text: completion.remainder,
    reasoning,
    output_audio: outputAudio,
    output_image_tokens: outputImage,
    web_search: asNumber(usage['num_search_queries']) ?? 0,
  });
}

/** Completion tokens that the provider left out of `completion_tokens` yet counted in `total_tokens`. */
function tokensBeside(prompt: number, completion: number, total: number | undefined, reasoning: number | undefined, stated: boolean | undefined): number {
  if (stated !== undefined) return stated ? (reasoning ?? 0) : 0;
  const difference = (total ?? 0) - prompt - completion;
  if (difference <= 0) return 0;
  return reasoning === undefined || reasoning === 0 || reasoning === difference ? difference : 0;
}
