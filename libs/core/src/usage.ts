/**
 * Meters are disjoint: no unit is counted by two of them, so that prompt meters and completion meters add up to the
 * provider's own totals.
 */
export const PROMPT_METERS = [
  'input_uncached',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'input_audio',
  'cache_read_audio',
  'input_image_tokens',
] as const;
export const COMPLETION_METERS = ['output_text', 'reasoning', 'output_audio', 'output_image_tokens'] as const;
/** Units that are not tokens. */
export const UNIT_METERS = ['request', 'input_image', 'web_search'] as const;
export const METERS = [...PROMPT_METERS, ...COMPLETION_METERS, ...UNIT_METERS] as const;

export type Meter = (typeof METERS)[number];

/** Counts by meter; an absent meter is zero. */
export type Meters = Partial<Record<Meter, number>>;

const PROMPT: ReadonlySet<string> = new Set(PROMPT_METERS);
const COMPLETION: ReadonlySet<string> = new Set(COMPLETION_METERS);

/** Answers have two or three of all the meters. */
function sumOf(meters: Meters, names: ReadonlySet<string>): number {
  let sum = 0;
  for (const name in meters) if (names.has(name)) sum += meters[name as Meter] ?? 0;
  return sum;
}

/** All tokens of the prompt, cached ones included. */
export function promptTokenCount(meters: Meters): number {
  return sumOf(meters, PROMPT);
}

/** All tokens of the completion, reasoning included. */
export function completionTokenCount(meters: Meters): number {
  return sumOf(meters, COMPLETION);
}
