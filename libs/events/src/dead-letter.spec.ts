import { describe, expect, it } from '@jest/globals';
import { captureLogger } from '@switchyard/testing';
import { consumeWithDeadLetter, handleSound, PoisonEventError, type ParsedRecord } from './dead-letter.js';
import type { ConsumedRecord, EventLog, EventRecord } from './event-log.js';
import { TOPICS } from './topics.js';

/** As the driver reports it. */
class DatabaseError extends Error {
  constructor(readonly code: string) {
    super(`refused with ${code}`);
  }
}

const record = (value: string): ConsumedRecord => ({ topic: TOPICS.generationCompleted, key: value, value, headers: {}, partition: 0, offset: 0n, timeMs: 0 });

/** Delivers one batch to a handler; what it handled, in which calls, and what became a dead letter. */
async function deliver(values: readonly string[], refuse: (batch: readonly string[]) => string | undefined) {
  const handled: string[] = [];
  const deadLetters: EventRecord[] = [];
  let deliverBatch: ((batch: ConsumedRecord[]) => Promise<void>) | undefined;
  const eventLog = {
    publish: async (records: readonly EventRecord[]) => void deadLetters.push(...records),
    subscribe: async ({ handler }: { handler(batch: ConsumedRecord[]): Promise<void> }) => {
      deliverBatch = handler;
      return { close: async () => undefined };
    },
  } as unknown as EventLog;
  await consumeWithDeadLetter({
    eventLog,
    group: 'test',
    topics: [TOPICS.generationCompleted],
    maxBatchSize: 10,
    logger: captureLogger(),
    parse: ({ value }) => value,
    handler: async (batch: ParsedRecord<string>[]) => {
      const events = batch.map(({ event }) => event);
      const code = refuse(events);
      if (code !== undefined) throw new DatabaseError(code);
      handled.push(...events);
    },
  });
  await deliverBatch!(values.map(record));
  return { handled, deadLetters: deadLetters.map(({ value }) => value) };
}

describe('events that the database refuses', () => {
  it.each(['22003', '22P05', '21000'])('keep no others up (%s): the one that is to blame is found and kept as a dead letter', async (code) => {
    const { handled, deadLetters } = await deliver(['a', 'b', 'odd', 'c', 'd'], (batch) => (batch.includes('odd') ? code : undefined));
    expect(handled).toEqual(['a', 'b', 'c', 'd']);
    expect(deadLetters).toEqual(['odd']);
  });

  it('are all handled when only two of them together are refused', async () => {
    const { handled, deadLetters } = await deliver(['a', 'one', 'other', 'b'], (batch) =>
      batch.includes('one') && batch.includes('other') ? '21000' : undefined,
    );
    expect(handled).toEqual(['a', 'one', 'other', 'b']);
    expect(deadLetters).toEqual([]);
  });

  it.each(['08006', '40P01', '57014', '23514', '53100'])('are delivered again where they are not to blame, or it takes a person to say (%s)', async (code) => {
    await expect(deliver(['a', 'b'], () => code)).rejects.toMatchObject({ code });
  });
});

describe('events that a handler calls poison', () => {
  it('are delivered again where they are none of those it was given, instead of being handed over for ever', async () => {
    const error = new PoisonEventError([record('another')], 'odd');
    let callCount = 0;
    const handler = async (): Promise<void> => {
      if (++callCount < 3) throw error;
    };
    await expect(handleSound([{ event: 'a', record: record('a') }], handler)).rejects.toBe(error);
  });
});
