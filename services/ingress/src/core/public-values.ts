/** A message's number as the public API shows it: null where there is none. */
export function numberOf(value: bigint | undefined): number | null {
  return value === undefined ? null : Number(value);
}

/** Of unix milliseconds. */
export function isoTime(timeMs: bigint): string {
  return new Date(Number(timeMs)).toISOString();
}
