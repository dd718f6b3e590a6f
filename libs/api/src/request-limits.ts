/** Bounds of what one inference request may contain; the body's size in bytes is bounded before it is parsed. */
export interface RequestLimits {
  /** Objects and arrays inside each other. */
  readonly maxNestingDepth: number;
  readonly maxMessageCount: number;
  readonly maxToolCount: number;
  /** Content parts of all messages or inputs together, and as many tool calls. */
  readonly maxContentPartCount: number;
}

export const DEFAULT_REQUEST_LIMITS: RequestLimits = { maxNestingDepth: 128, maxMessageCount: 10_000, maxToolCount: 1_024, maxContentPartCount: 10_000 };

export const MAX_SESSION_ID_LENGTH = 256;
export const MAX_USER_LENGTH = 1_024;
export const MAX_STOP_SEQUENCES = 4;
export const MAX_INPUTS = 2_048;
export const MAX_MODELS = 64;
export const MAX_METADATA_PAIRS = 16;
export const MAX_METADATA_KEY_LENGTH = 64;
export const MAX_METADATA_VALUE_LENGTH = 512;
/** Length of the `trace` object as JSON: it travels with every event of the request. */
export const MAX_TRACE_LENGTH = 16_384;
