import { BYTES_PER_TOKEN, completionTokenCount, estimateTokens, promptTokenCount, type Meters } from '@switchyard/core';

/** What a picture, sound or file costs when nothing is known about it. */
const TOKENS_PER_MEDIUM = 800;
/** What the frame around one message costs. */
const TOKENS_PER_MESSAGE = 4;

/** Bytes of output of at most so many tokens. */
export function bytesWithin(utf8Bytes: number, maxTokens: bigint | undefined): number {
  return maxTokens === undefined ? utf8Bytes : Math.min(utf8Bytes, Number(maxTokens) * BYTES_PER_TOKEN);
}

/** Tokens of a request body in any dialect, by the bytes of its texts; data URLs and base64 count as one medium each. Never throws. */
export function estimatePromptTokens(body: Uint8Array): number {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    return estimateTokens(body.byteLength);
  }
  const sum = { bytes: 0, media: 0, messages: 0 };
  addTexts(parsed, sum);
  return estimateTokens(sum.bytes) + sum.media * TOKENS_PER_MEDIUM + sum.messages * TOKENS_PER_MESSAGE;
}

/** Counts that may be charged as they are: no prompt is empty, and output has tokens. */
export function isCredible(reported: Meters, outputBytes: number): boolean {
  return promptTokenCount(reported) > 0 && (outputBytes === 0 || completionTokenCount(reported) > 0);
}

/** Meters of an answer whose provider reported nothing (more). What it did report of the prompt is kept; its output count can only be too small. */
export function estimateMeters(reported: Meters | undefined, promptBody: Uint8Array, outputBytes: number, reasoningBytes: number): Meters {
  const reasoning = estimateTokens(reasoningBytes);
  const outputText = estimateTokens(Math.max(0, outputBytes - reasoningBytes));
  if (reported === undefined) return withoutZeros({ input_uncached: estimatePromptTokens(promptBody), output_text: outputText, reasoning });
  const prompted = promptTokenCount(reported) > 0 ? reported : { ...reported, input_uncached: estimatePromptTokens(promptBody) };
  if (completionTokenCount(reported) >= reasoning + outputText) return prompted;
  const { output_text: reportedText = 0, reasoning: reportedReasoning = 0 } = reported;
  return withoutZeros({ ...prompted, output_text: Math.max(reportedText, outputText), reasoning: Math.max(reportedReasoning, reasoning) });
}

function addTexts(value: unknown, sum: { bytes: number; media: number; messages: number }): void {
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next === 'string') {
      if (looksLikeMedium(next)) sum.media++;
      else sum.bytes += Buffer.byteLength(next);
    } else if (Array.isArray(next)) {
      pending.push(...next);
    } else if (typeof next === 'object' && next !== null) {
      if ('role' in next) sum.messages++;
      for (const [name, member] of Object.entries(next)) {
        // Tool definitions reach the model with the names of their fields.
        if (name === 'properties' && typeof member === 'object' && member !== null) sum.bytes += Object.keys(member).join('').length;
        if (name !== 'role' && name !== 'type' && name !== 'model') pending.push(member);
      }
    }
  }
}

function looksLikeMedium(text: string): boolean {
  return text.startsWith('data:') || (text.length > 512 && /^[A-Za-z0-9+/_-]{512}/.test(text));
}

function withoutZeros(meters: Meters): Meters {
  return Object.fromEntries(Object.entries(meters).filter(([, count]) => count > 0));
}
