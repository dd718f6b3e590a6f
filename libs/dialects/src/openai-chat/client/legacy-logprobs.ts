import { asArray, asNumber, asObjects, asString, type JsonObject } from '@switchyard/core';

/** A chat answer's `logprobs` as the legacy completions write them: lists side by side, with each token's place in the text. */
export class LegacyLogprobs {
  private offset = 0;

  /** Of the whole answer, or of its next piece. Null where nothing is told of tokens. */
  render(logprobs: JsonObject | undefined): JsonObject | null {
    if (!asArray(logprobs?.['content'])) return null;
    const entries = asObjects(logprobs?.['content']);
    const tokens = entries.map((entry) => asString(entry['token']) ?? '');
    const alternatives = entries.map((entry) => alternativesOf(entry));
    return {
      tokens,
      token_logprobs: entries.map((entry) => asNumber(entry['logprob']) ?? null),
      top_logprobs: alternatives.some((each) => Object.keys(each).length > 0) ? alternatives : null,
      text_offset: tokens.map((token) => this.place(token)),
    };
  }

  /** In characters, as the text is counted by who made this API: an emoji is one. */
  private place(token: string): number {
    const offset = this.offset;
    this.offset += Array.from(token).length;
    return offset;
  }
}

function alternativesOf(entry: JsonObject): JsonObject {
  return Object.fromEntries(asObjects(entry['top_logprobs']).map((each) => [asString(each['token']) ?? '', asNumber(each['logprob']) ?? null]));
}
