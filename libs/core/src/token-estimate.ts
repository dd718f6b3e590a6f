/** UTF-8 bytes that a token stands for on average; English prose and code lie between 3.5 and 4.5. */
export const BYTES_PER_TOKEN = 4;

/** Tokens of a text that nobody has counted: for estimates, never a bound. */
export function estimateTokens(utf8Bytes: number): number {
  return Math.ceil(utf8Bytes / BYTES_PER_TOKEN);
}
