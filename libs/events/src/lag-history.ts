import type { PartitionProgress } from './event-log.js';

interface Sample {
  readonly timeMs: number;
  readonly endOffset: bigint;
}

/** Where partitions ended at earlier times: tells how long a record has been there, without reading it. */
export class LagHistory {
  private readonly samples = new Map<string, Sample[]>();

  constructor(private readonly maxSamples: number) {}

  add(progress: readonly PartitionProgress[], timeMs: number): void {
    for (const each of progress) {
      const samples = this.samples.get(nameOf(each)) ?? [];
      this.samples.set(nameOf(each), samples);
      // Where nothing was published the partition ends as before: the newer sample dates the next record better. A first one dates what waits already.
      if (samples.at(-1)?.endOffset === each.endOffset && (samples.length > 1 || each.endOffset <= each.nextOffset)) samples.pop();
      samples.push({ timeMs, endOffset: each.endOffset });
      // The newest one that lies before what is still to be handled has to stay.
      while (samples.length > 1 && samples[1]!.endOffset <= each.nextOffset) samples.shift();
      if (samples.length > this.maxSamples) samples.splice(1, 1);
    }
  }

  /** Longest time that the next record can have been waiting: since the last sample that was taken before it was there. */
  waitingMs(progress: PartitionProgress, nowMs: number): number {
    if (progress.nextOffset >= progress.endOffset) return 0;
    const [oldest] = this.samples.get(nameOf(progress)) ?? [];
    return oldest === undefined ? 0 : nowMs - oldest.timeMs;
  }
}

function nameOf({ topic, partition }: PartitionProgress): string {
  return `${topic} ${partition}`;
}
