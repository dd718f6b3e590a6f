import { expect, it } from '@jest/globals';
import { eventually, recordingEventLog } from '@switchyard/testing';
import type { EventRecord } from '../event-log.js';
import { RefusedWrites } from './refused-writes.js';
import { FrameBuffer } from './spool-frame.js';
import type { SpoolRecord } from './spool-record.js';

const WRITE_WITHIN_MS = 5_000;

function event(id: string): EventRecord {
  return { topic: 'topic', key: id, value: id, headers: {} };
}

it.each(['the event log', 'the disk'])('keeps what attempts cost, which nobody waits for, until %s takes it', async (which) => {
  const log = recordingEventLog();
  log.goAway();
  let nowMs = 0;
  let isRefusing = true;
  let writtenCount = 0;
  const givenUp: number[] = [];
  const refused = new RefusedWrites({
    eventLog: log,
    monotonicMs: () => nowMs,
    writeWithinMs: WRITE_WITHIN_MS,
    write: () => {
      if (isRefusing) throw new Error('ENOSPC');
      writtenCount++;
    },
    onEmpty: () => undefined,
    onPublished: () => undefined,
    onGivenUp: (count) => givenUp.push(count),
  });
  const add = (record: SpoolRecord): Promise<void> =>
    new Promise((resolve, reject) => {
      const frames = new FrameBuffer();
      frames.add(record);
      refused.add({ frames: frames.take(), resolve, reject }, new Error('ENOSPC'));
    });
  try {
    const attempt = add({ kind: 'attempt', attemptId: 'g1:0', event: event('g1') });
    const end = add({ kind: 'completed', generationId: 'g2', event: event('g2') });
    nowMs = WRITE_WITHIN_MS;
    refused.retry();
    await expect(end).rejects.toMatchObject({ type: 'gateway_unavailable' });
    expect(givenUp).toEqual([1]);
    if (which === 'the disk') isRefusing = false;
    else log.comeBack();
    refused.retry();
    await attempt;
    if (which === 'the disk') expect(writtenCount).toBe(1);
    else await eventually(() => expect(log.published.map(({ key }) => key)).toEqual(['g1']));
    expect(refused.isEmpty).toBe(true);
  } finally {
    refused.abandon();
  }
});
