/** Numbers and times of messages as the public API shows them. */
export function numberOf(value: bigint | undefined): number | null {
  return value === undefined ? null : Number(value);
}

export function isoTime(timeMs: bigint): string {
  return new Date(Number(timeMs)).toISOString();
}
