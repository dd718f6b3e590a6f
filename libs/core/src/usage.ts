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

export function sumMeters(meters: Meters, names: readonly Meter[]): number {
  let sum = 0;
  for (const name of names) sum += meters[name] ?? 0;
  return sum;
}

/** All tokens of the prompt, cached ones included. */
export function promptTokenCount(meters: Meters): number {
  return sumMeters(meters, PROMPT_METERS);
}

/** All tokens of the completion, reasoning included. */
export function completionTokenCount(meters: Meters): number {
  return sumMeters(meters, COMPLETION_METERS);
}
