import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import {
  consumeWithDeadLetter,
  DEAD_LETTER_HEADERS,
  PoisonEventError,
  replayDeadLetters,
  TOPICS,
  type ConsumedRecord,
  type EventLog,
  type EventRecord,
} from '@switchyard/events';
import { captureLogger, eventually } from '@switchyard/testing';

/** What a suite needs to know of an implementation. */
export interface EventLogUnderTest {
  /** Another process's view of the same log. Records of every call are in the same topics. */
  open(): EventLog;
  /** The implementation's own topic; unique to the suite. */
  readonly topic: string;
  /** Takes the log away, and brings it back. */
  interrupt(): Promise<void>;
  close(): Promise<void>;
}

const WAIT = { timeoutMs: 40_000 };
const BATCH = 50;

/** What every event log promises; the same words for Kafka and for Postgres. */
export function describeEventLog(start: () => Promise<EventLogUnderTest>): void {
  let subject: EventLogUnderTest;
  const opened: EventLog[] = [];
  const open = (): EventLog => {
    const log = subject.open();
    opened.push(log);
    return log;
  };
  const record = (key: string, value: string, headers: Record<string, string> = {}): EventRecord => ({ topic: subject.topic, key, value, headers });
  const newRun = (): { group: string; mine(records: readonly ConsumedRecord[]): string[]; value(text: string | number): string } => {
    const run = randomUUID();
    return {
      group: `group-${run}`,
      value: (text) => `${run} ${text}`,
      mine: (records) => records.filter((each) => each.value.startsWith(run)).map((each) => each.value.slice(run.length + 1)),
    };
  };

  beforeAll(async () => {
    subject = await start();
  }, 120_000);
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
  });
  afterAll(() => subject?.close());

  it('delivers what was published, byte for byte, headers included', async () => {
    const run = newRun();
    const log = open();
    const seen: ConsumedRecord[] = [];
    const value = run.value('{"unknownField":[1,"ü \\u0000 🚂"]}');
    await log.publish([record('gen-1', value, { ce_id: 'a', traceparent: '00-1-2-01' })]);
    await log.subscribe({ group: run.group, topics: [subject.topic], maxBatchSize: BATCH, handler: async (batch) => void seen.push(...batch) });
    const found = await eventually(() => {
      const mine = seen.filter((each) => each.value === value);
      expect(mine).toHaveLength(1);
      return mine[0]!;
    }, WAIT);
    expect(found).toMatchObject({ topic: subject.topic, key: 'gen-1', headers: { ce_id: 'a', traceparent: '00-1-2-01' } });
    expect(Math.abs(found.timeMs - Date.now())).toBeLessThan(600_000);
  });

  it('keeps the order of one key and gives every record to every group', async () => {
    const run = newRun();
    const log = open();
    const keys = Array.from({ length: 10 }, (_, index) => `gen-${index}`);
    for (let round = 0; round < 5; round++) {
      await log.publish(keys.flatMap((key) => [0, 1, 2, 3].map((step) => record(key, run.value(`${key}/${round * 4 + step}`)))));
    }
    const seen = new Map<string, string[]>([
      [`${run.group}-a`, []],
      [`${run.group}-b`, []],
    ]);
    for (const [group, values] of seen) {
      await log.subscribe({
        group,
        topics: [subject.topic],
        maxBatchSize: 7,
        handler: async (batch) => {
          expect(batch.length).toBeLessThanOrEqual(7);
          values.push(...run.mine(batch));
        },
      });
    }
    for (const values of seen.values()) {
      await eventually(() => expect(new Set(values).size).toBe(200), WAIT);
      for (const key of keys) {
        const steps = [...new Set(values.filter((value) => value.startsWith(`${key}/`)))].map((value) => Number(value.split('/')[1]));
        expect(steps).toEqual(Array.from({ length: 20 }, (_, index) => index));
      }
    }
  });

  it('delivers again what a handler refused, and commits only what it took', async () => {
    const run = newRun();
    const log = open();
    await log.publish(['one', 'two', 'three'].map((text) => record('gen-same', run.value(text))));
    const tries: string[][] = [];
    await log.subscribe({
      group: run.group,
      topics: [subject.topic],
      maxBatchSize: BATCH,
      handler: async (batch) => {
        const mine = run.mine(batch);
        if (mine.length === 0) return;
        tries.push(mine);
        if (tries.length < 3) throw new Error('not now');
      },
    });
    await eventually(() => expect(tries).toHaveLength(3), WAIT);
    expect(tries[2]).toEqual(tries[0]);
    await eventually(async () => expect(await log.lag(run.group)).toBe(0n), WAIT);
    expect(tries).toHaveLength(3);
  });

  it('counts lag until the handler has ended, and goes on where the group stopped', async () => {
    const run = newRun();
    const first = open();
    await first.publish(Array.from({ length: 20 }, (_, index) => record(`gen-${index}`, run.value(index))));
    const early: string[] = [];
    const subscription = await first.subscribe({
      group: run.group,
      topics: [subject.topic],
      maxBatchSize: BATCH,
      handler: async (batch) => void early.push(...run.mine(batch)),
    });
    await eventually(async () => expect(await first.lag(run.group)).toBe(0n), WAIT);
    expect(new Set(early).size).toBe(20);
    await subscription.close();
    await first.publish(Array.from({ length: 5 }, (_, index) => record(`gen-${index}`, run.value(100 + index))));
    expect(await first.lag(run.group)).toBe(5n);

    const second = open();
    const late: string[] = [];
    let letGo: () => void = () => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    await second.subscribe({
      group: run.group,
      topics: [subject.topic],
      maxBatchSize: BATCH,
      handler: async (batch) => {
        await held;
        late.push(...run.mine(batch));
      },
    });
    await eventually(async () => expect(await second.lag(run.group)).toBe(5n), WAIT);
    letGo();
    await eventually(async () => expect(await second.lag(run.group)).toBe(0n), WAIT);
    expect(late.sort()).toEqual(['100', '101', '102', '103', '104']);
  });

  it('redelivers what a consumer that died had not committed', async () => {
    const run = newRun();
    const dying = open();
    await dying.publish([record('gen-x', run.value('survivor'))]);
    let reached: () => void = () => {};
    const started = new Promise<void>((resolve) => (reached = resolve));
    await dying.subscribe({
      group: run.group,
      topics: [subject.topic],
      maxBatchSize: BATCH,
      handler: async (batch) => {
        if (run.mine(batch).length === 0) return;
        reached();
        throw new Error('died in the middle');
      },
    });
    await started;
    await dying.close();
    const seen: string[] = [];
    await open().subscribe({ group: run.group, topics: [subject.topic], maxBatchSize: BATCH, handler: async (batch) => void seen.push(...run.mine(batch)) });
    await eventually(() => expect(seen).toContain('survivor'), WAIT);
  });

  it('shares partitions between consumers of a group, also when one joins and one leaves in the middle', async () => {
    const run = newRun();
    const publisher = open();
    const seen = { first: [] as string[], second: [] as string[] };
    const consume = (log: EventLog, values: string[]) =>
      log.subscribe({ group: run.group, topics: [subject.topic], maxBatchSize: 5, handler: async (batch) => void values.push(...run.mine(batch)) });
    const publishRound = (round: number) => publisher.publish(Array.from({ length: 40 }, (_, index) => record(`gen-${index}`, run.value(`${round}-${index}`))));

    const leaving = await consume(open(), seen.first);
    await publishRound(0);
    await eventually(() => expect(new Set(seen.first).size).toBe(40), WAIT);
    await consume(open(), seen.second);
    let round = 1;
    await eventually(async () => {
      await publishRound(round++);
      expect(seen.second.length).toBeGreaterThan(0);
      const firstBefore = seen.first.length;
      await publishRound(round++);
      await eventually(() => expect(seen.first.length).toBeGreaterThan(firstBefore), { timeoutMs: 1_000 });
    }, WAIT);
    await leaving.close();
    await publishRound(round++);
    await eventually(() => expect(new Set([...seen.first, ...seen.second]).size).toBe(40 * round), WAIT);
    await eventually(async () => expect(await publisher.lag(run.group)).toBe(0n), WAIT);
  });

  it('survives an outage of the log: consumers go on, and what was acknowledged is there', async () => {
    const run = newRun();
    const log = open();
    const seen: string[] = [];
    await log.subscribe({ group: run.group, topics: [subject.topic], maxBatchSize: BATCH, handler: async (batch) => void seen.push(...run.mine(batch)) });
    await log.publish([record('gen-1', run.value('before'))]);
    await eventually(() => expect(seen).toContain('before'), WAIT);
    await subject.interrupt();
    await eventually(() => log.publish([record('gen-1', run.value('after'))]), WAIT);
    await eventually(() => expect(seen).toContain('after'), WAIT);
  });

  it('keeps poison events apart, handles those around them, and replays them once on demand', async () => {
    const run = newRun();
    const log = open();
    const logger = captureLogger();
    const accepted: string[] = [];
    const refusals: string[] = [];
    const deadLetters: ConsumedRecord[] = [];
    let isMended = false;
    const consumer = {
      eventLog: log,
      group: run.group,
      topics: [subject.topic],
      maxBatchSize: BATCH,
      logger,
      parse: (each: ConsumedRecord) => {
        if (each.value === run.value('unreadable') && !isMended) throw new SyntaxError('not an event');
        return each.value;
      },
      handler: async (batch: { event: string; record: ConsumedRecord }[]) => {
        const poison = batch.filter(({ event }) => event === run.value('refused') && !isMended);
        refusals.push(...poison.map(({ event }) => event));
        if (poison.length > 0)
          throw new PoisonEventError(
            poison.map(({ record: each }) => each),
            'It does not add up.',
          );
        accepted.push(...run.mine(batch.map(({ record: each }) => each)));
      },
    };
    await consumeWithDeadLetter(consumer);
    await log.subscribe({
      group: `${run.group}-watch`,
      topics: [TOPICS.deadLetter],
      maxBatchSize: BATCH,
      handler: async (batch) => void deadLetters.push(...batch.filter((each) => each.headers[DEAD_LETTER_HEADERS.group] === run.group)),
    });
    const texts = ['good', 'unreadable', 'fine', 'refused', 'well'];
    await log.publish(texts.map((text) => record('gen-1', run.value(text), { ce_id: `${run.group} ${text}`, kept: 'yes' })));
    await eventually(() => expect(accepted).toEqual(expect.arrayContaining(['good', 'fine', 'well'])), WAIT);
    await eventually(() => expect(new Set(deadLetters.map((each) => each.value))).toEqual(new Set([run.value('unreadable'), run.value('refused')])), WAIT);
    expect(deadLetters.find((each) => each.value === run.value('refused'))).toMatchObject({
      key: 'gen-1',
      headers: { kept: 'yes', [DEAD_LETTER_HEADERS.topic]: subject.topic, [DEAD_LETTER_HEADERS.reason]: 'It does not add up.' },
    });
    await eventually(async () => expect(await log.lag(run.group)).toBe(0n), WAIT);
    expect(accepted).not.toContain('refused');

    // Still poison: it comes back as a dead letter, and the replay ends all the same.
    const refusedBefore = refusals.length;
    expect(await replayDeadLetters(log, { logger })).toEqual({ replayedCount: 2, unknownCount: 0 });
    await eventually(() => expect(refusals.length).toBeGreaterThan(refusedBefore), WAIT);
    await eventually(async () => expect(await log.lag(run.group)).toBe(0n), WAIT);

    isMended = true;
    expect((await replayDeadLetters(log, { logger })).replayedCount).toBeGreaterThanOrEqual(2);
    await eventually(() => expect(accepted).toEqual(expect.arrayContaining(['refused', 'unreadable'])), WAIT);
    expect(await replayDeadLetters(log, { logger })).toEqual({ replayedCount: 0, unknownCount: 0 });
  });

  it('tells how far a group came in every partition, and lets it begin anew once it has no consumers', async () => {
    const run = newRun();
    const log = open();
    await log.publish(Array.from({ length: 30 }, (_, index) => record(`gen-${index}`, run.value(index))));
    const lagOf = async () => (await log.progress(run.group, [subject.topic])).reduce((sum, each) => sum + each.endOffset - each.nextOffset, 0n);
    const before = await log.progress(run.group, [subject.topic]);
    expect(new Set(before.map(({ partition }) => partition)).size).toBe(before.length);
    expect(before.every(({ topic, firstOffset, nextOffset }) => topic === subject.topic && firstOffset === nextOffset)).toBe(true);
    expect(await log.progress(run.group, ['a topic that nobody made'])).toEqual([]);
    expect(await log.keptSinceMs([subject.topic])).toBe(0);

    const seen: string[] = [];
    const consume = () =>
      log.subscribe({ group: run.group, topics: [subject.topic], maxBatchSize: BATCH, handler: async (batch) => void seen.push(...run.mine(batch)) });
    const subscription = await consume();
    await eventually(async () => expect(await lagOf()).toBe(0n), WAIT);
    await expect(log.forgetGroup(run.group)).rejects.toMatchObject({ type: 'precondition_failed' });
    await subscription.close();
    expect((await log.progress(run.group, [subject.topic])).map(({ nextOffset }) => nextOffset)).toEqual(before.map(({ endOffset }) => endOffset));

    await eventually(() => log.forgetGroup(run.group), WAIT);
    expect(await log.progress(run.group, [subject.topic])).toEqual(before);
    seen.length = 0;
    await consume();
    await eventually(() => expect(new Set(seen).size).toBe(30), WAIT);
    await log.forgetGroup(`${run.group} that never was`);
  });

  it('refuses to publish once closed, instead of waiting', async () => {
    const log = open();
    await log.publish([record('gen-1', 'x')]);
    await log.close();
    await expect(log.publish([record('gen-1', 'y')])).rejects.toThrow();
  });
}
