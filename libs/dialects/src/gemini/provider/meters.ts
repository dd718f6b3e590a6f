import { asNumber, asObjects, asString, type JsonObject, type JsonValue, type Meters } from '@switchyard/core';
import { tokenCount, TokenSplitter, wholeCounts } from '../../token-splitter.js';

/** True for objects that count tokens: early chunks carry `usageMetadata` with a traffic type alone. */
export function hasCounts(usage: JsonObject): boolean {
  return asNumber(usage['promptTokenCount']) !== undefined || asNumber(usage['totalTokenCount']) !== undefined;
}

/**
 * Gemini's `usageMetadata`. Cached tokens are part of the prompt, thoughts are counted beside the candidates, and
 * results of its own tools are a prompt of their own; all four add up to `totalTokenCount`.
 */
export function geminiMeters(usage: JsonObject): Meters {
  const promptTokens = tokenCount(usage['promptTokenCount']) + tokenCount(usage['toolUsePromptTokenCount']);
  const candidates = tokenCount(usage['candidatesTokenCount'] ?? usage['responseTokenCount']);
  const thoughts = tokenCount(usage['thoughtsTokenCount']);
  const known = promptTokens + candidates + thoughts;
  // Some answers leave thoughts out of the details and count them in the total alone.
  const unexplained = usage['thoughtsTokenCount'] === undefined ? Math.max(0, tokenCount(usage['totalTokenCount']) - known) : 0;

  const prompt = new TokenSplitter(promptTokens);
  const cachedAudioShare = modality(usage['cacheTokensDetails'], 'AUDIO');
  const cached = new TokenSplitter(prompt.take(asNumber(usage['cachedContentTokenCount'])));
  const cachedAudio = cached.take(cachedAudioShare);
  const inputAudio = prompt.take(modality(usage['promptTokensDetails'], 'AUDIO') - cachedAudio);
  const inputImage = prompt.take(modality(usage['promptTokensDetails'], 'IMAGE') - modality(usage['cacheTokensDetails'], 'IMAGE'));

  const output = new TokenSplitter(candidates);
  const outputAudio = output.take(modality(usage['candidatesTokensDetails'], 'AUDIO'));
  const outputImage = output.take(modality(usage['candidatesTokensDetails'], 'IMAGE'));
  return wholeCounts({
    input_uncached: prompt.remainder,
    cache_read: cached.remainder,
    cache_read_audio: cachedAudio,
    input_audio: inputAudio,
    input_image_tokens: inputImage,
    output_text: output.remainder,
    reasoning: thoughts + unexplained,
    output_audio: outputAudio,
    output_image_tokens: outputImage,
  });
}

function modality(details: JsonValue | undefined, name: string): number {
  let sum = 0;
  for (const detail of asObjects(details)) if (asString(detail['modality']) === name) sum += asNumber(detail['tokenCount']) ?? 0;
  return sum;
}
