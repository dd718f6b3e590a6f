import { BriefMap } from '@switchyard/core';
import type { ConsumedRecord } from '../event-log.js';
import type { PartitionPosition } from './event-log.store.js';

interface Chunk {
  /** Its number over all partitions. */
  readonly serial: number;
  readonly partitionKey: string;
  readonly firstPosition: bigint;
  readonly records: readonly ConsumedRecord[];
  readonly characters: number;
}

const MAX_CHARACTERS = 16 * 1024 * 1024;

/**
 * What this process has just published and its own consumers have not read yet, so that they need not ask the database for it. Only a short cut: whatever
 * is missing here is read from the database. Bounded; the oldest goes first.
 */
export class RecentRecords {
  /** By serial number, oldest first over all partitions. */
  private readonly chunks = new BriefMap<number, Chunk>();
  private nextSerial = 0;
  /** Oldest first. */
  private readonly byPartition = new Map<string, Chunk[]>();
  private readonly readers = new Set<RecentReader>();
  private characters = 0;

  constructor(private readonly maxCharacters = MAX_CHARACTERS) {}

  /** A consumer of these topics; `onAdd` tells it of new records. */
  openReader(topicIds: readonly number[], onAdd: () => void): RecentReader {
    const reader = new RecentReader(new Set(topicIds), onAdd, {
      chunksOf: (partitionKey) => this.byPartition.get(partitionKey) ?? [],
      forgetRead: (partitionKey) => this.forgetRead(partitionKey),
      forgetAll: () => this.forgetAll(),
      close: (closing) => this.readers.delete(closing),
    });
    this.readers.add(reader);
    return reader;
  }

  /** Whether anybody here would read the topic's records. */
  isRead(topicId: number): boolean {
    for (const reader of this.readers) if (reader.topicIds.has(topicId)) return true;
    return false;
  }

  /** Records of one partition that the log has taken, from `firstPosition` on without gap. */
  add(topicId: number, partition: number, firstPosition: bigint, records: readonly ConsumedRecord[]): void {
    const partitionKey = partitionKeyOf({ topicId, partition });
    let characters = 0;
    for (const record of records) characters += record.value.length;
    const chunk = { serial: this.nextSerial++, partitionKey, firstPosition, records, characters };
    this.chunks.set(chunk.serial, chunk);
    const list = this.byPartition.get(partitionKey);
    if (list === undefined) this.byPartition.set(partitionKey, [chunk]);
    else insertByPosition(list, chunk);
    this.characters += characters;
    for (const oldest of this.chunks.values()) {
      if (this.characters <= this.maxCharacters) break;
      this.forget(oldest);
    }
  }

  ring(): void {
    for (const reader of this.readers) reader.onAdd();
  }

  /** Drops what every reader that has the partition is past. */
  private forgetRead(partitionKey: string): void {
    let readTo: bigint | undefined;
    for (const reader of this.readers) {
      const position = reader.positionOf(partitionKey);
      if (position !== undefined && (readTo === undefined || position < readTo)) readTo = position;
    }
    if (readTo === undefined) return;
    for (const chunk of [...(this.byPartition.get(partitionKey) ?? [])]) if (endOf(chunk) <= readTo) this.forget(chunk);
  }

  private forgetAll(): void {
    for (const chunk of this.chunks.values()) this.forget(chunk);
  }

  private forget(chunk: Chunk): void {
    this.chunks.delete(chunk.serial);
    this.characters -= chunk.characters;
    const list = this.byPartition.get(chunk.partitionKey)!;
    list.splice(list.indexOf(chunk), 1);
  }
}

interface RecentSource {
  chunksOf(partitionKey: string): readonly Chunk[];
  forgetRead(partitionKey: string): void;
  forgetAll(): void;
  close(reader: RecentReader): void;
}

/** One consumer's view. */
export class RecentReader {
  private readonly positions = new Map<string, bigint>();

  constructor(
    readonly topicIds: ReadonlySet<number>,
    readonly onAdd: () => void,
    private readonly source: RecentSource,
  ) {}

  positionOf(partitionKey: string): bigint | undefined {
    return this.positions.get(partitionKey);
  }

  /** The next records of the partitions, at most `limit`, each partition's without gap from its position. Positions are where the consumer reads on. */
  read(positions: readonly PartitionPosition[], limit: number): ConsumedRecord[] {
    this.positions.clear();
    const found: ConsumedRecord[] = [];
    for (const at of positions) {
      const key = partitionKeyOf(at);
      this.positions.set(key, at.position);
      this.source.forgetRead(key);
      let next = at.position;
      for (const chunk of this.source.chunksOf(key)) {
        if (found.length >= limit) break;
        if (chunk.firstPosition > next) break;
        const skipped = Number(next - chunk.firstPosition);
        if (skipped >= chunk.records.length) continue;
        const taken = chunk.records.slice(skipped, skipped + limit - found.length);
        found.push(...taken);
        next += BigInt(taken.length);
      }
    }
    return found;
  }

  /** Whether the partition's next record is here. */
  holds(at: PartitionPosition): boolean {
    return this.source.chunksOf(partitionKeyOf(at)).some((chunk) => chunk.firstPosition <= at.position && endOf(chunk) > at.position);
  }

  /** Whether later records of the partition are here. */
  isAhead(at: PartitionPosition): boolean {
    return this.source.chunksOf(partitionKeyOf(at)).some((chunk) => chunk.firstPosition > at.position);
  }

  /** For all readers: what is published from here on is known again. */
  forgetAll(): void {
    this.source.forgetAll();
  }

  close(): void {
    this.source.close(this);
  }
}

export function partitionKeyOf(at: { readonly topicId: number; readonly partition: number }): string {
  return `${at.topicId}/${at.partition}`;
}

function endOf(chunk: Chunk): bigint {
  return chunk.firstPosition + BigInt(chunk.records.length);
}

/** Publications that ran side by side may be told of in another order than they were taken in. */
function insertByPosition(list: Chunk[], chunk: Chunk): void {
  let index = list.length;
  while (index > 0 && list[index - 1]!.firstPosition > chunk.firstPosition) index--;
  list.splice(index, 0, chunk);
}
