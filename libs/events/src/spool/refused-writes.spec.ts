import { describe, expect, it } from '@jest/globals';
import { eventually, recordingEventLog } from '@switchyard/testing';
import type { EventRecord } from '../event-log.js';
import { RefusedWrites } from './refused-writes.js';
import { decodeFrames, FrameBuffer } from './spool-frame.js';
import type { SpoolRecord } from './spool-record.js';

const WRITE_WITHIN_MS = 5_000;

function event(id: string): EventRecord {
  return { topic: 'topic', key: id, value: id, headers: {} };
}

describe('records that the disk refuses', () => {
  it('are handed to the log as many at once as it takes, and each turn is released when all of it is there', async () => {
    const log = recordingEventLog();
    const sizes: number[] = [];
    const publish = async (records: readonly EventRecord[]): Promise<void> => {
      sizes.push(records.reduce((sum, { value }) => sum + value.length, 0));
      if (sizes.at(-1)! > 1_000_000) throw new Error('The request included a message larger than the max message size the server will accept.');
      await log.publish(records);
    };
    log.goAway();
    const refused = refusedWritesTo({ ...log, publish });
    const turns = Array.from({ length: 40 }, (_, turn) =>
      wait(refused, [`g${turn}`, `g${turn}-too`, `g${turn}-as-well`], () => log.published.map(({ key }) => key)),
    );
    log.comeBack();
    refused.retry();
    for (const [turn, published] of (await Promise.all(turns)).entries())
      expect(published).toEqual(expect.arrayContaining([`g${turn}`, `g${turn}-too`, `g${turn}-as-well`]));
    expect(log.published).toHaveLength(120);
    expect(refused.isEmpty).toBe(true);
  });

  it.each(['the event log', 'the disk'])('keeps what attempts cost, which nobody waits for, until %s takes it', async (which) => {
    const log = recordingEventLog();
    log.goAway();
    let nowMs = 0;
    let isRefusing = true;
    const written: (string | undefined)[] = [];
    const givenUp: number[] = [];
    const refused = new RefusedWrites({
      eventLog: log,
      monotonicMs: () => nowMs,
      writeWithinMs: WRITE_WITHIN_MS,
      write: (frames) => {
        if (isRefusing) throw new Error('ENOSPC');
        written.push(...decodeFrames(frames, true).records.map((record) => (record.kind === 'attempt' ? record.attemptId : undefined)));
      },
      onEmpty: () => undefined,
      onPublished: () => undefined,
      onGivenUp: (count) => givenUp.push(count),
    });
    const add = (...records: readonly SpoolRecord[]): Promise<void> =>
      new Promise((resolve, reject) => {
        const frames = new FrameBuffer();
        for (const record of records) frames.add(record);
        refused.add({ frames: frames.take(), resolve, reject }, new Error('ENOSPC'));
      });
    try {
      const attempt = add({ kind: 'attempt', attemptId: 'g1:0', event: event('g1') });
      // In a busy turn, with what others wait for.
      const end = add({ kind: 'attempt', attemptId: 'g2:0', event: event('g2:0') }, { kind: 'completed', generationId: 'g2', event: event('g2') });
      nowMs = WRITE_WITHIN_MS;
      refused.retry();
      await expect(end).rejects.toMatchObject({ type: 'gateway_unavailable' });
      expect(givenUp).toEqual([1]);
      if (which === 'the disk') isRefusing = false;
      else log.comeBack();
      refused.retry();
      await attempt;
      if (which === 'the disk') expect(written).toEqual(['g1:0', 'g2:0']);
      else await eventually(() => expect(log.published.map(({ key }) => key)).toEqual(['g1', 'g2:0']));
      await eventually(() => expect(refused.isEmpty).toBe(true));
    } finally {
      refused.abandon();
    }
  });
});

function refusedWritesTo(eventLog: ReturnType<typeof recordingEventLog>): RefusedWrites {
  return new RefusedWrites({
    eventLog,
    monotonicMs: () => performance.now(),
    writeWithinMs: 5_000,
    write: () => {
      throw new Error('ENOSPC');
    },
    onEmpty: () => undefined,
    onPublished: () => undefined,
    onGivenUp: () => undefined,
  });
}

/** A turn of one event per key, each of 150,000 characters; resolves with what `see` gives when its waiters are released. */
function wait<Seen>(refused: RefusedWrites, keys: readonly string[], see: () => Seen): Promise<Seen> {
  const frames = new FrameBuffer();
  for (const key of keys) frames.add({ kind: 'attempt', attemptId: `${key}:1`, event: { topic: 'done', key, value: 'x'.repeat(150_000), headers: {} } });
  return new Promise((resolve, reject) => refused.add({ frames: frames.take(), resolve: () => resolve(see()), reject }, new Error('ENOSPC')));
}
