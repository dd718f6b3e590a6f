/** Each bucket is 4 % wide, so a percentile read from it is at most 2 % off. */
const RATIO = 1.04;
const LOG_RATIO = Math.log(RATIO);
const MIN_BUCKET = -120;
const MAX_BUCKET = 600;

/** Counts by bucket number. */
export type Histogram = ReadonlyMap<number, number>;

export interface Percentiles {
  p50: number;
  p75: number;
  p90: number;
  p99: number;
}

/** Bucket of a positive value; values beyond the range fall into the outermost buckets. */
export function bucketOf(value: number): number {
  if (!(value > 0)) return MIN_BUCKET;
  return Math.min(MAX_BUCKET, Math.max(MIN_BUCKET, Math.floor(Math.log(value) / LOG_RATIO)));
}

/** Middle of a bucket. */
export function valueOf(bucket: number): number {
  return bucket <= MIN_BUCKET ? 0 : Math.exp((bucket + 0.5) * LOG_RATIO);
}

/** Nearest-rank percentiles, or undefined without samples. */
export function percentilesOf(histogram: Histogram): Percentiles | undefined {
  let total = 0;
  for (const count of histogram.values()) total += count;
  if (total === 0) return undefined;
  const buckets = [...histogram.entries()].sort(([left], [right]) => left - right);
  const at = (share: number): number => {
    let seen = 0;
    for (const [bucket, count] of buckets) {
      seen += count;
      if (seen >= share * total) return roundTo(valueOf(bucket));
    }
    return roundTo(valueOf(buckets.at(-1)?.[0] ?? MIN_BUCKET));
  };
  return { p50: at(0.5), p75: at(0.75), p90: at(0.9), p99: at(0.99) };
}

/** Three significant digits say all that the buckets know. */
function roundTo(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(3));
}
