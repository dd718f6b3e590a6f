import { describe, expect, it } from '@jest/globals';
import type { ConsumedRecord } from '../event-log.js';
import { RecentRecords } from './recent-records.js';

const TOPIC = 1;
const records = (partition: number, first: number, count: number, value = 'v'): ConsumedRecord[] =>
  Array.from({ length: count }, (_, index) => ({
    topic: 'line',
    key: 'k',
    value,
    headers: {},
    partition,
    offset: BigInt(first + index),
    timeMs: 0,
  }));
const at = (partition: number, position: number) => ({ topicId: TOPIC, partition, position: BigInt(position) });
const offsets = (found: readonly ConsumedRecord[]) => found.map(({ partition, offset }) => `${partition}:${offset}`);

describe('records that were just published', () => {
  it('are read without gap from each position, at most as many as asked for', () => {
    const recent = new RecentRecords();
    const reader = recent.openReader([TOPIC], () => undefined);
    recent.add(TOPIC, 0, 10n, records(0, 10, 3));
    recent.add(TOPIC, 0, 13n, records(0, 13, 2));
    recent.add(TOPIC, 1, 5n, records(1, 5, 2));
    expect(offsets(reader.read([at(0, 11), at(1, 5)], 10))).toEqual(['0:11', '0:12', '0:13', '0:14', '1:5', '1:6']);
    expect(offsets(reader.read([at(0, 11), at(1, 5)], 3))).toEqual(['0:11', '0:12', '0:13']);
  });

  it('are not read across what another process published between them', () => {
    const recent = new RecentRecords();
    const reader = recent.openReader([TOPIC], () => undefined);
    recent.add(TOPIC, 0, 15n, records(0, 15, 2));
    recent.add(TOPIC, 0, 10n, records(0, 10, 3));
    expect(offsets(reader.read([at(0, 10)], 10))).toEqual(['0:10', '0:11', '0:12']);
    expect(reader.read([at(0, 13)], 10)).toEqual([]);
    expect([13, 14, 15, 16, 17].map((position) => reader.holds(at(0, position)))).toEqual([false, false, true, true, false]);
    expect([12, 13, 14, 15, 17].map((position) => reader.isAhead(at(0, position)))).toEqual([true, true, true, false, false]);
    expect([reader.holds(at(1, 13)), reader.isAhead(at(1, 13))]).toEqual([false, false]);
    expect(offsets(reader.read([at(0, 15)], 10))).toEqual(['0:15', '0:16']);
  });

  it('stay until the last consumer is past them', () => {
    const recent = new RecentRecords();
    const fast = recent.openReader([TOPIC], () => undefined);
    const slow = recent.openReader([TOPIC], () => undefined);
    recent.add(TOPIC, 0, 0n, records(0, 0, 2));
    expect(slow.read([at(0, 0)], 1)).toHaveLength(1);
    expect(fast.read([at(0, 2)], 10)).toEqual([]);
    expect(slow.read([at(0, 0)], 10)).toHaveLength(2);
    expect(slow.read([at(0, 2)], 10)).toEqual([]);
    expect(fast.read([at(0, 0)], 10)).toEqual([]);
  });

  it('go, the oldest first, when they take too much memory', () => {
    const recent = new RecentRecords(1_000);
    const reader = recent.openReader([TOPIC], () => undefined);
    recent.add(TOPIC, 0, 0n, records(0, 0, 1, 'x'.repeat(600)));
    recent.add(TOPIC, 0, 1n, records(0, 1, 1, 'x'.repeat(600)));
    expect(reader.read([at(0, 0)], 10)).toEqual([]);
    expect(offsets(reader.read([at(0, 1)], 10))).toEqual(['0:1']);
  });

  it('are of use only for topics that somebody reads here', () => {
    const recent = new RecentRecords();
    const reader = recent.openReader([TOPIC], () => undefined);
    expect([recent.isRead(TOPIC), recent.isRead(2)]).toEqual([true, false]);
    reader.close();
    expect(recent.isRead(TOPIC)).toBe(false);
  });
});
