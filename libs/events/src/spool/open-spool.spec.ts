import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { captureLogger, eventually, manualClock, realClock, recordingEventLog, type RecordingEventLog } from '@switchyard/testing';
import type { EventRecord } from '../event-log.js';
import { openSpool } from './open-spool.js';
import type { Spool, SpoolOptions } from './spool.js';

const event = (id: string, extra = ''): EventRecord => ({ topic: 'done', key: id, value: JSON.stringify({ id, extra }), headers: { ce_id: `event-${id}` } });

const RECOVERY = {
  endAbandoned: ({ generationId, body }: { generationId: string; body: string }) => [{ ...event(generationId, 'gateway_failed'), headers: { body } }],
  flagUnconfirmed: (record: EventRecord) => ({ ...record, headers: { ...record.headers, flag: 'delivery_unconfirmed' } }),
};

describe('the spool', () => {
  let root: string;
  let log: RecordingEventLog;
  let spools: Spool[];
  const logger = captureLogger();

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'switchyard-spool-'));
    log = recordingEventLog();
    spools = [];
  });
  afterEach(async () => {
    log.comeBack();
    await Promise.all(spools.map((spool) => spool.close({ drainWithinMs: 2_000 })));
    rmSync(root, { recursive: true, force: true });
  });

  const open = async (name: string, options: Partial<SpoolOptions> = {}): Promise<Spool> => {
    const spool = await openSpool({ folder: join(root, name), eventLog: log, recovery: RECOVERY, clock: realClock(), logger, ...options });
    spools.push(spool);
    return spool;
  };
  const complete = (spool: Spool, id: string, extra = ''): void => {
    spool.append({ kind: 'completed', generationId: id, event: event(id, extra) });
    spool.append({ kind: 'delivered', generationId: id });
  };
  const ids = (): string[] => log.published.map((record) => record.key);
  const readFolder = (folder: string): string =>
    segmentsOf(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('');
  const segmentsOf = (folder: string): string[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.segment'))
      .sort();
  /** The folder as a process that was killed at this instant would leave it. */
  const leaveAsDead = (name: string, as: string): string => {
    const folder = join(root, as);
    cpSync(join(root, name), folder, { recursive: true });
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: deadProcessId(), startedAt: '', token: 'gone' }));
    return folder;
  };

  it('publishes an event once its delivery is confirmed, exactly as it was appended', async () => {
    const spool = await open('a');
    spool.append({ kind: 'accepted', generationId: 'g1', body: '{}' });
    const written = { topic: 'done', key: 'g1', value: '{"text":"line\\nend ü 🚂"}\n', headers: { traceparent: '00-ü' } };
    spool.append({ kind: 'completed', generationId: 'g1', event: written });
    await spool.flushed();
    complete(spool, 'g2');
    await eventually(() => expect(ids()).toEqual(['g2']));
    spool.append({ kind: 'delivered', generationId: 'g1' });
    await eventually(() => expect(log.published).toContainEqual(written));
    await eventually(() => expect(spool.state()).toMatchObject({ unpublishedCount: 0, isFull: false, isWritable: true }));
  });

  it('publishes an attempt at once', async () => {
    const spool = await open('a');
    spool.append({ kind: 'attempt', attemptId: 'g1:1', event: event('g1') });
    await eventually(() => expect(log.published).toEqual([event('g1')]));
  });

  it('begins to publish at most every 100 ms, also while events come all the time', async () => {
    const startedAtMs: number[] = [];
    const publish = async (records: readonly EventRecord[]): Promise<void> => {
      startedAtMs.push(performance.now());
      attempt(startedAtMs.length);
      await spool.flushed();
      await log.publish(records);
    };
    const spool = await open('a', { eventLog: { ...log, publish } });
    const attempt = (number: number): void => {
      if (number < 5) spool.append({ kind: 'attempt', attemptId: `g${number}:1`, event: event(`g${number}`) });
    };
    attempt(0);
    await eventually(() => expect(ids()).toEqual(['g0', 'g1', 'g2', 'g3', 'g4']));
    // A timer may be early by what is left of its millisecond.
    for (const [index, timeMs] of startedAtMs.slice(1).entries()) expect(timeMs - startedAtMs[index]!).toBeGreaterThan(98);
  });

  it('flags an event whose delivery nobody confirms in time', async () => {
    const spool = await open('a', { deliveryHoldMs: 50 });
    spool.append({ kind: 'completed', generationId: 'g1', event: event('g1') });
    await eventually(() => expect(log.published).toEqual([RECOVERY.flagUnconfirmed(event('g1'))]));
  });

  it('writes all records of one event-loop turn with one system call, and has them in the file when flushed() resolves', async () => {
    log.goAway();
    const spool = await open('a');
    const before = spool.state().writeCount;
    for (let index = 0; index < 100; index++) complete(spool, `g${index}`);
    await spool.flushed();
    expect(spool.state().writeCount - before).toBe(1);
    const content = readFileSync(join(root, 'a', segmentsOf(join(root, 'a'))[0]!), 'utf8');
    for (let index = 0; index < 100; index++) expect(content).toContain(`event-g${index}"`);
  });

  it('writes the marks of what was delivered together with the next records, or soon by themselves', async () => {
    log.goAway();
    const spool = await open('a');
    const before = spool.state().writeCount;
    const generations = Array.from({ length: 20 }, (_, index) => `g${index}`);
    for (const generationId of generations) {
      spool.append({ kind: 'completed', generationId, event: event(generationId) });
      await spool.flushed();
      spool.append({ kind: 'delivered', generationId });
      await new Promise(setImmediate);
    }
    // A slow turn may let some of the marks go by themselves.
    expect(spool.state().writeCount - before).toBeLessThan(30);
    log.comeBack();
    await eventually(() => expect(ids()).toEqual(generations));
  });

  it('syncs many writes together, within the time after the first', async () => {
    log.goAway();
    const spool = await open('a', { syncWithinMs: 100 });
    for (let index = 0; index < 50; index++) {
      complete(spool, `g${index}`);
      await spool.flushed();
    }
    await eventually(() => expect(spool.state().syncCount).toBeGreaterThan(0), { timeoutMs: 1_000 });
    expect(spool.state().writeCount).toBe(50);
    expect(spool.state().syncCount).toBeLessThan(25);
  });

  it('keeps events while the log is away, publishes all of them afterwards, and leaves an empty folder when closed', async () => {
    log.goAway();
    const spool = await open('a', { segmentBytes: 4_096 });
    for (let index = 0; index < 200; index++) {
      complete(spool, `g${index}`, 'x'.repeat(100));
      await spool.flushed();
    }
    expect(spool.state().unpublishedCount).toBe(200);
    expect(segmentsOf(join(root, 'a')).length).toBeGreaterThan(5);
    log.comeBack();
    await eventually(() => expect(spool.state().unpublishedCount).toBe(0));
    expect(new Set(ids()).size).toBe(200);
    await eventually(() => expect(segmentsOf(join(root, 'a')).length).toBe(1));
    expect(await spool.close({ drainWithinMs: 1_000 })).toEqual({ unpublishedCount: 0 });
    expect(existsSync(join(root, 'a'))).toBe(false);
  });

  it('reads back from the folder what memory had no room for, in order, with the marks that came later', async () => {
    log.goAway();
    const clock = manualClock();
    const spool = await open('a', { clock, segmentBytes: 4_096, maxKeptCharacters: 2_000, deliveryHoldMs: 200 });
    for (let index = 0; index < 150; index++) {
      spool.append({ kind: 'completed', generationId: `g${index}`, event: event(`g${index}`, 'x'.repeat(100)) });
      await spool.flushed();
    }
    clock.advance(200);
    for (let index = 0; index < 150; index++) spool.append({ kind: 'delivered', generationId: `g${index}` });
    await spool.flushed();
    log.comeBack();
    await eventually(() => expect(spool.state().unpublishedCount).toBe(0));
    expect(log.published).toEqual(Array.from({ length: 150 }, (_, index) => event(`g${index}`, 'x'.repeat(100))));
    complete(spool, 'after');
    await eventually(() => expect(ids().at(-1)).toBe('after'));
    await eventually(() => expect(segmentsOf(join(root, 'a')).length).toBe(1));
  });

  it('drains while closing, within the time it is given, and gives the folder to the next process', async () => {
    log.goAway();
    const spool = await open('a');
    complete(spool, 'g1');
    await spool.flushed();
    expect(await spool.close({ drainWithinMs: 50 })).toEqual({ unpublishedCount: 1 });
    expect(() => spool.append({ kind: 'completed', generationId: 'g2', event: event('g2') })).toThrow(expect.objectContaining({ type: 'gateway_unavailable' }));
    // The client has its answer; only the mark comes too late.
    expect(() => spool.append({ kind: 'delivered', generationId: 'g1' })).not.toThrow();
    log.comeBack();
    await open('a');
    await eventually(() => expect(log.published).toEqual([event('g1')]));
  });

  it('closes within the time it is given also while the log answers nothing, and leaves what it does not know to be published', async () => {
    const silent = { ...log, publish: () => new Promise<void>(() => undefined) };
    const spool = await open('a', { eventLog: silent });
    complete(spool, 'g1');
    await spool.flushed();
    expect(await spool.close({ drainWithinMs: 100 })).toEqual({ unpublishedCount: 1 });
    await open('a');
    await eventually(() => expect(ids()).toEqual(['g1']));
  });

  it('writes the end of generations that a dead process had accepted, flags what was perhaps not delivered, and repeats the rest', async () => {
    log.goAway();
    const dying = await open('dying', { segmentBytes: 256 });
    dying.append({ kind: 'accepted', generationId: 'open', body: 'what the owner needs' });
    await dying.flushed();
    dying.append({ kind: 'accepted', generationId: 'whole', body: '' });
    complete(dying, 'whole', 'x'.repeat(300));
    await dying.flushed();
    dying.append({ kind: 'completed', generationId: 'unconfirmed', event: event('unconfirmed') });
    dying.append({ kind: 'attempt', attemptId: 'whole:1', event: event('whole', 'attempt') });
    await dying.flushed();
    leaveAsDead('dying', 'dead');
    log.comeBack();
    const heirLog = recordingEventLog();
    const heir = await openSpool({ folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger });
    spools.push(heir);
    await eventually(() => expect(heirLog.published).toHaveLength(4));
    expect(heirLog.published).toEqual(
      expect.arrayContaining([
        { ...event('open', 'gateway_failed'), headers: { body: 'what the owner needs' } },
        event('whole', 'x'.repeat(300)),
        RECOVERY.flagUnconfirmed(event('unconfirmed')),
        event('whole', 'attempt'),
      ]),
    );
    await eventually(() => expect(readdirSync(join(root, 'heir')).filter((name) => name.startsWith('adopted-'))).toEqual([]));
    expect(existsSync(join(root, 'dead'))).toBe(false);
  });

  it('writes the ends of many generations that a dead process had accepted together', async () => {
    const dying = await open('dying');
    const accepted = Array.from({ length: 400 }, (_, index) => `g${index}`);
    for (const generationId of accepted) dying.append({ kind: 'accepted', generationId, body: '' });
    await dying.flushed();
    leaveAsDead('dying', 'dead');
    const heirLog = recordingEventLog();
    spools.push(await openSpool({ folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger }));
    await eventually(() => expect(heirLog.published.map(({ key }) => key)).toEqual(accepted));
    expect(heirLog.publishCount).toBeLessThan(5);
    await eventually(() => expect(spools.at(-1)!.state().unpublishedCount).toBe(0));
  });

  it('does not touch the folder of a living process', async () => {
    const living = await open('living');
    living.append({ kind: 'accepted', generationId: 'g1', body: '' });
    await living.flushed();
    await open('other');
    expect(segmentsOf(join(root, 'living'))).toHaveLength(1);
    await expect(openSpool({ folder: join(root, 'living'), eventLog: log, recovery: RECOVERY, clock: realClock(), logger })).rejects.toThrow(
      /another living process/,
    );
  });

  it.each([
    ['leaves the folder of a process alone that lives in another container, where process ids mean nothing here', 'living'],
    ['adopts the folder of a process that died in another container, whose id may be given away here', 'dead'],
  ])(
    '%s',
    async (_what, state) => {
      log.goAway();
      const holder = await open(state);
      complete(holder, 'g1');
      await holder.flushed();
      const folder = state === 'dead' ? leaveAsDead('dead', 'left') : join(root, 'living');
      const lock = join(folder, 'lock');
      writeFileSync(
        lock,
        JSON.stringify({ ...JSON.parse(readFileSync(lock, 'utf8')), pid: state === 'dead' ? process.pid : deadProcessId(), place: 'elsewhere' }),
      );
      await open('other');
      expect(existsSync(folder)).toBe(state === 'living');
      expect(readdirSync(join(root, 'other')).some((name) => name.startsWith('adopted-'))).toBe(state === 'dead');
    },
    30_000,
  );

  it('takes over the lock of a dead process, also when its id was given away since', async () => {
    const folder = join(root, 'a');
    mkdirSync(folder);
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: process.pid, startedAt: 'another boot 17', token: 'x' }));
    await open('a');
    expect(JSON.parse(readFileSync(join(folder, 'lock'), 'utf8'))).toMatchObject({ pid: process.pid });
  });

  it.each([
    ['a record cut in its middle', (path: string) => truncateSync(path, statSync(path).size - 7)],
    ['a header cut in its middle', (path: string) => appendFileSync(path, Buffer.from([1, 2, 3]))],
    ['a length that runs past the end', (path: string) => appendFileSync(path, Buffer.from([200, 0, 0, 0, 1, 1, 1, 1, 0, 65]))],
    ['zeros', (path: string) => appendFileSync(path, Buffer.alloc(64))],
    ['a wrong sum', (path: string) => appendFileSync(path, Buffer.from([2, 0, 0, 0, 1, 1, 1, 1, 2, 65]))],
  ])('cuts a torn tail (%s), counts it, logs it, and keeps everything before it', async (_name, damage) => {
    log.goAway();
    const dying = await open('dying');
    complete(dying, 'g1');
    complete(dying, 'g2');
    // A mark for nobody, as the record that may get lost.
    dying.append({ kind: 'delivered', generationId: 'a-mark-that-is-long-enough-to-be-cut' });
    await dying.flushed();
    const dead = leaveAsDead('dying', 'dead');
    damage(join(dead, segmentsOf(dead)[0]!));
    const heirLog = recordingEventLog();
    const heir = await openSpool({ folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger });
    spools.push(heir);
    await eventually(() => expect(heirLog.published).toEqual([event('g1'), event('g2')]));
    expect(heir.state().tornTailCount).toBe(1);
    expect(logger.lines).toContainEqual(expect.objectContaining({ level: 'error', message: expect.stringContaining('torn') }));
  });

  it('does not keep old segments for a generation that runs long, and still knows it after a crash', async () => {
    const spool = await open('a', { segmentBytes: 2_048 });
    spool.append({ kind: 'accepted', generationId: 'long', body: 'still running' });
    await spool.flushed();
    const first = segmentsOf(join(root, 'a'))[0]!;
    for (let index = 0; index < 60; index++) {
      complete(spool, `g${index}`, 'x'.repeat(200));
      await spool.flushed();
    }
    await eventually(() => expect(segmentsOf(join(root, 'a'))).not.toContain(first));
    await eventually(() => expect(spool.state().unpublishedCount).toBe(0));
    leaveAsDead('a', 'dead');
    const heirLog = recordingEventLog();
    spools.push(await openSpool({ folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger }));
    await eventually(() =>
      expect(heirLog.published.filter((record) => record.key === 'long')).toEqual([{ ...event('long', 'gateway_failed'), headers: { body: 'still running' } }]),
    );
  });

  it('goes on, and stays small, while generations that run long fill whole segments', async () => {
    const spool = await open('a', { segmentBytes: 1_024 });
    const running = Array.from({ length: 40 }, (_, index) => `long-${index}`);
    for (const generationId of running) spool.append({ kind: 'accepted', generationId, body: 'x'.repeat(100) });
    for (let index = 0; index < 300; index++) {
      complete(spool, `g${index}`, 'x'.repeat(200));
      await spool.flushed();
    }
    await eventually(() => expect(spool.state().unpublishedCount).toBe(0));
    // Twice what is open, and a segment.
    await eventually(() => expect(spool.state().usedBytes).toBeLessThan(15_000));
    leaveAsDead('a', 'dead');
    const heirLog = recordingEventLog();
    spools.push(await openSpool({ folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger }));
    const ended = (): string[] => heirLog.published.map(({ key }) => key).filter((key) => key.startsWith('long'));
    await eventually(() => expect(new Set(ended())).toEqual(new Set(running)));
  });

  it('does not go through generations that run long at each publication', async () => {
    let readCount = 0;
    const readCounted = (generationId: string) => ({
      kind: 'accepted' as const,
      generationId,
      get body() {
        readCount++;
        return 'x'.repeat(100);
      },
    });
    const spool = await open('a', { segmentBytes: 1_024 });
    for (let index = 0; index < 40; index++) spool.append(readCounted(`long-${index}`));
    await spool.flushed();
    const publishedBefore = log.publishCount;
    readCount = 0;
    for (let index = 0; index < 10; index++) {
      spool.append({ kind: 'attempt', attemptId: `g${index}:1`, event: event(`g${index}`) });
      await eventually(() => expect(ids()).toContain(`g${index}`));
    }
    expect(log.publishCount).toBe(publishedBefore + 10);
    expect(readCount).toBe(0);
  });

  it('turns new generations away when it is full, takes the ends of running ones, and opens again when drained', async () => {
    log.goAway();
    const spool = await open('a', { maxBytes: 10_000, segmentBytes: 1_024 });
    spool.append({ kind: 'accepted', generationId: 'running', body: '' });
    for (let index = 0; index < 60; index++) complete(spool, `g${index}`, 'x'.repeat(100));
    await spool.flushed();
    expect(spool.state()).toMatchObject({ isFull: true, isWritable: true });
    expect(spool.state().usedShare).toBeGreaterThan(1);
    expect(() => spool.append({ kind: 'accepted', generationId: 'new', body: '' })).toThrow(
      expect.objectContaining({ type: 'gateway_unavailable', httpStatus: 503 }),
    );
    complete(spool, 'running');
    await spool.flushed();
    log.comeBack();
    await eventually(() => expect(spool.state()).toMatchObject({ isFull: false, unpublishedCount: 0 }));
    expect(ids()).toContain('running');
    spool.append({ kind: 'accepted', generationId: 'new', body: '' });
    complete(spool, 'new');
  });

  it('opens again also when its bound is smaller than a segment', async () => {
    const spool = await open('a', { maxBytes: 10_000 });
    for (let index = 0; index < 60; index++) complete(spool, `g${index}`, 'x'.repeat(100));
    await eventually(() => expect(spool.state()).toMatchObject({ isFull: false, unpublishedCount: 0 }));
    spool.append({ kind: 'accepted', generationId: 'new', body: '' });
    complete(spool, 'new');
  });

  it('refuses a record that the log would never take, and goes on', async () => {
    const spool = await open('a');
    expect(() => complete(spool, 'huge', 'x'.repeat(1_000_000))).toThrow(RangeError);
    complete(spool, 'large', 'ü'.repeat(400_000));
    complete(spool, 'g1');
    await eventually(() => expect(ids()).toEqual(['large', 'g1']));
    expect(spool.state().unpublishedCount).toBe(0);
  });

  it('flags an end whose mark was torn off by the crash', async () => {
    log.goAway();
    const dying = await open('dying');
    complete(dying, 'g1');
    complete(dying, 'g2');
    await dying.flushed();
    const dead = leaveAsDead('dying', 'dead');
    const segment = join(dead, segmentsOf(dead)[0]!);
    truncateSync(segment, statSync(segment).size - 1);
    const heirLog = recordingEventLog();
    spools.push(await openSpool({ folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger }));
    await eventually(() => expect(heirLog.published).toEqual([event('g1'), RECOVERY.flagUnconfirmed(event('g2'))]));
  });

  it('adopts what a dead process left while the log is away, loses none of it when it dies as well, and publishes its own behind it', async () => {
    log.goAway();
    const dying = await open('dying');
    dying.append({ kind: 'accepted', generationId: 'open', body: 'first' });
    complete(dying, 'g1');
    await dying.flushed();
    leaveAsDead('dying', 'dead');
    const heirLog = recordingEventLog();
    heirLog.goAway();
    const heir = await openSpool({ folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger });
    spools.push(heir);
    complete(heir, 'g2');
    await heir.flushed();
    await eventually(() => expect(heir.state().unpublishedCount).toBe(3));
    leaveAsDead('heir', 'heir-that-died');
    const lastLog = recordingEventLog();
    spools.push(await openSpool({ folder: join(root, 'last'), eventLog: lastLog, recovery: RECOVERY, clock: realClock(), logger }));
    const everything = [{ ...event('open', 'gateway_failed'), headers: { body: 'first' } }, event('g1'), event('g2')];
    await eventually(() => expect(new Set(lastLog.published)).toEqual(new Set(everything)));
    expect(lastLog.published).toHaveLength(3);
    await eventually(() => expect(readdirSync(join(root, 'last')).filter((name) => name.startsWith('adopted-'))).toEqual([]));
    heirLog.comeBack();
    // As the log dedupes by id: the same events again, with the same ids.
    await eventually(() => expect(new Set(heirLog.published)).toEqual(new Set(everything)));
  });

  it('publishes first what an earlier process left in the same folder', async () => {
    log.goAway();
    const earlier = await open('a');
    complete(earlier, 'g1');
    await earlier.flushed();
    leaveAsDead('a', 'a-again');
    const laterLog = recordingEventLog();
    const later = await openSpool({ folder: join(root, 'a-again'), eventLog: laterLog, recovery: RECOVERY, clock: realClock(), logger });
    spools.push(later);
    complete(later, 'g2');
    await eventually(() => expect(laterLog.published).toEqual([event('g1'), event('g2')]));
  });

  describe('that belongs to somebody', () => {
    const told: string[] = [];
    let isDeaf = false;
    const ownedBy = (id: string) => ({
      owner: {
        id,
        onPublished: async (ownerId: string) => {
          if (isDeaf) throw new Error('Nobody hears it.');
          told.push(ownerId);
        },
      },
    });
    beforeEach(() => {
      told.length = 0;
      isDeaf = false;
    });

    it('tells whose events are all published: its own when it closes, not while some are left', async () => {
      const spool = await open('a', ownedBy('first'));
      complete(spool, 'g1');
      await eventually(() => expect(ids()).toEqual(['g1']));
      expect(told).toEqual([]);
      await spool.close({ drainWithinMs: 2_000 });
      expect(told).toEqual(['first']);
      expect(existsSync(join(root, 'a'))).toBe(false);
    });

    it('leaves it to the next process when events or an open generation are left', async () => {
      log.goAway();
      const spool = await open('a', ownedBy('first'));
      complete(spool, 'g1');
      await spool.close({ drainWithinMs: 20 });
      log.comeBack();
      const next = await open('a', ownedBy('second'));
      await eventually(() => expect(told).toEqual(['first']));
      expect(ids()).toEqual(['g1']);
      next.append({ kind: 'accepted', generationId: 'open', body: '' });
      await next.close({ drainWithinMs: 2_000 });
      expect(told).toEqual(['first']);
      const last = await open('b', ownedBy('third'));
      await eventually(() => expect(told).toEqual(['first', 'second']));
      expect(ids()).toEqual(['g1', 'open']);
      await last.close({ drainWithinMs: 2_000 });
      expect(told).toEqual(['first', 'second', 'third']);
    });

    it('tells of dead owners once their events are in the log, also of those whom a dead process had adopted', async () => {
      log.goAway();
      const oldest = await open('oldest', ownedBy('oldest'));
      complete(oldest, 'g1');
      await oldest.flushed();
      leaveAsDead('oldest', 'dead');
      const middleLog = recordingEventLog();
      middleLog.goAway();
      const middle = await openSpool({
        ...ownedBy('middle'),
        folder: join(root, 'middle'),
        eventLog: middleLog,
        recovery: RECOVERY,
        clock: realClock(),
        logger,
      });
      complete(middle, 'g2');
      await middle.flushed();
      leaveAsDead('middle', 'dead-too');
      await middle.close({ drainWithinMs: 1 });
      rmSync(join(root, 'middle'), { recursive: true });
      const heirLog = recordingEventLog();
      heirLog.goAway();
      const heir = await openSpool({ ...ownedBy('heir'), folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger });
      spools.push(heir);
      await eventually(() => expect(heirLog.publishCount).toBeGreaterThan(0));
      expect(told).toEqual([]);
      heirLog.comeBack();
      await eventually(() => expect(new Set(told)).toEqual(new Set(['oldest', 'middle'])));
      expect(new Set(heirLog.published.map((record) => record.key))).toEqual(new Set(['g1', 'g2']));
      await eventually(() => expect(readdirSync(join(root, 'heir')).filter((name) => name.startsWith('adopted-'))).toEqual([]));
    });

    it('publishes its own while nobody hears of a dead owner, tells as soon as somebody does, and leaves it to the next process otherwise', async () => {
      log.goAway();
      const dying = await open('dying', ownedBy('dead'));
      complete(dying, 'g1');
      await dying.flushed();
      leaveAsDead('dying', 'left');
      isDeaf = true;
      const heirLog = recordingEventLog();
      const heir = await openSpool({ ...ownedBy('heir'), folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger });
      complete(heir, 'g2');
      await eventually(() => expect(heirLog.published.map((record) => record.key)).toEqual(['g1', 'g2']));
      await heir.close({ drainWithinMs: 200 });
      expect(told).toEqual([]);
      isDeaf = false;
      spools.push(await openSpool({ ...ownedBy('last'), folder: join(root, 'last'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger }));
      await eventually(() => expect(new Set(told)).toEqual(new Set(['dead', 'heir'])));
      expect(heirLog.published).toHaveLength(2);
    });
  });

  it('counts as full after 24 hours without publishing, unless told otherwise', async () => {
    const clock = manualClock();
    log.goAway();
    const spool = await open('a', { clock });
    complete(spool, 'g1');
    await spool.flushed();
    clock.advance(24 * 3_600_000 - 1);
    expect(spool.state().isFull).toBe(false);
    expect(spool.state().usedShare).toBeGreaterThan(0.99);
    clock.advance(1);
    expect(spool.state().isFull).toBe(true);
    expect(() => spool.append({ kind: 'accepted', generationId: 'new', body: '' })).toThrow(expect.objectContaining({ httpStatus: 503 }));
  });

  it('counts as full when nothing could be published for too long', async () => {
    const clock = manualClock();
    log.goAway();
    const spool = await open('a', { clock, maxAgeMs: 60_000 });
    complete(spool, 'g1');
    await spool.flushed();
    clock.advance(59_000);
    expect(spool.state()).toMatchObject({ isFull: false, oldestUnpublishedAgeMs: 59_000 });
    clock.advance(1_000);
    expect(spool.state().isFull).toBe(true);
    log.comeBack();
    await eventually(() => expect(spool.state().isFull).toBe(false));
  });

  describe('on a disk that refuses', () => {
    /** The next segments lie on a device that is always full. */
    const fillDisk = (folder: string): string[] => {
      const next = Number(segmentsOf(folder).at(-1)!.slice(0, 12)) + 1;
      const links = Array.from({ length: 400 }, (_, index) => join(folder, `${String(next + index).padStart(12, '0')}.segment`));
      links.forEach((path) => symlinkSync('/dev/full', path));
      return links;
    };
    const freeDisk = (links: readonly string[]): void => links.filter((path) => existsSync(path)).forEach((path) => unlinkSync(path));

    it('lets running generations end through the event log, turns new ones away, and recovers by itself', async () => {
      const spool = await open('a', { segmentBytes: 1 });
      complete(spool, 'g1');
      await spool.flushed();
      const links = fillDisk(join(root, 'a'));
      complete(spool, 'g2');
      await spool.flushed();
      expect(ids()).toContain('g2');
      expect(spool.state().isWritable).toBe(false);
      expect(() => spool.append({ kind: 'accepted', generationId: 'new', body: '' })).toThrow(expect.objectContaining({ type: 'gateway_unavailable' }));
      freeDisk(links);
      await eventually(() => expect(spool.state().isWritable).toBe(true));
      complete(spool, 'g3');
      await eventually(() => expect(new Set(ids())).toEqual(new Set(['g1', 'g2', 'g3'])));
      expect(spool.state().unpublishedCount).toBe(0);
    });

    it('holds the bytes back until the disk takes the record, when the log is away too', async () => {
      log.goAway();
      const spool = await open('a', { segmentBytes: 1 });
      complete(spool, 'g1');
      await spool.flushed();
      const links = fillDisk(join(root, 'a'));
      complete(spool, 'g2');
      let isFlushed = false;
      const flushed = spool.flushed().then(() => (isFlushed = true));
      await eventually(() => expect(spool.state().isWritable).toBe(false));
      expect(isFlushed).toBe(false);
      freeDisk(links);
      await flushed;
      log.comeBack();
      await eventually(() => expect(new Set(ids())).toEqual(new Set(['g1', 'g2'])));
    });

    it('forgets no generation that runs long because its beginning could not be written again', async () => {
      log.goAway();
      const own = captureLogger();
      const spool = await open('a', { segmentBytes: 1, writeWithinMs: 100, logger: own });
      spool.append({ kind: 'accepted', generationId: 'long', body: 'still running' });
      complete(spool, 'g1', 'x'.repeat(200));
      await spool.flushed();
      const links = fillDisk(join(root, 'a'));
      log.comeBack();
      await eventually(() => expect(own.lines).toContainEqual(expect.objectContaining({ message: expect.stringContaining('given up') })));
      complete(spool, 'g2');
      await spool.flushed();
      freeDisk(links);
      await eventually(() => expect(spool.state()).toMatchObject({ isWritable: true, unpublishedCount: 0 }));
      leaveAsDead('a', 'dead');
      const heirLog = recordingEventLog();
      spools.push(await openSpool({ folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger }));
      await eventually(() => expect(heirLog.published).toContainEqual({ ...event('long', 'gateway_failed'), headers: { body: 'still running' } }));
    });

    it('knows after a crash what was accepted as the disk began to refuse, once the disk takes records again', async () => {
      log.goAway();
      const own = captureLogger();
      const spool = await open('a', { segmentBytes: 1, writeWithinMs: 100, logger: own });
      complete(spool, 'g1');
      await spool.flushed();
      const links = fillDisk(join(root, 'a'));
      spool.append({ kind: 'accepted', generationId: 'long', body: 'still running' });
      await expect(spool.flushed()).rejects.toMatchObject({ type: 'gateway_unavailable' });
      log.comeBack();
      freeDisk(links);
      await eventually(() => expect(spool.state()).toMatchObject({ isWritable: true, unpublishedCount: 0 }));
      await eventually(() => expect(readFolder(join(root, 'a'))).toContain('still running'));
    });

    it('knows after a crash also what was accepted beside an end that only the log took', async () => {
      const spool = await open('a', { segmentBytes: 1 });
      complete(spool, 'g1');
      await spool.flushed();
      const links = fillDisk(join(root, 'a'));
      spool.append({ kind: 'accepted', generationId: 'long', body: 'still running' });
      complete(spool, 'g2');
      await spool.flushed();
      expect(ids()).toContain('g2');
      freeDisk(links);
      await eventually(() => expect(spool.state().isWritable).toBe(true));
      await eventually(() => expect(readFolder(join(root, 'a'))).toContain('still running'));
      leaveAsDead('a', 'dead');
      const heirLog = recordingEventLog();
      spools.push(await openSpool({ folder: join(root, 'heir'), eventLog: heirLog, recovery: RECOVERY, clock: realClock(), logger }));
      await eventually(() => expect(heirLog.published).toContainEqual({ ...event('long', 'gateway_failed'), headers: { body: 'still running' } }));
    });

    it('believes marks that it could not write down', async () => {
      const spool = await open('a', { segmentBytes: 1 });
      spool.append({ kind: 'completed', generationId: 'g1', event: event('g1') });
      await spool.flushed();
      const links = fillDisk(join(root, 'a'));
      spool.append({ kind: 'attempt', attemptId: 'g2:1', event: event('g2') });
      spool.append({ kind: 'delivered', generationId: 'g1' });
      await eventually(() => expect(log.published).toEqual(expect.arrayContaining([event('g1'), event('g2')])));
      freeDisk(links);
      await eventually(() => expect(spool.state()).toMatchObject({ isWritable: true, unpublishedCount: 0 }));
    });

    it('recovers when the folder was away for a while', async () => {
      const spool = await open('a', { segmentBytes: 1 });
      complete(spool, 'g1');
      await eventually(() => expect(spool.state().unpublishedCount).toBe(0));
      renameSync(join(root, 'a'), join(root, 'elsewhere'));
      complete(spool, 'g2');
      await spool.flushed();
      expect(spool.state().isWritable).toBe(false);
      expect(() => spool.append({ kind: 'accepted', generationId: 'new', body: '' })).toThrow(expect.objectContaining({ httpStatus: 503 }));
      renameSync(join(root, 'elsewhere'), join(root, 'a'));
      await eventually(() => expect(spool.state().isWritable).toBe(true));
      complete(spool, 'g3');
      await eventually(() => expect(ids()).toEqual(['g1', 'g2', 'g3']));
    });

    it.each([
      ['lies below a file', () => join(root, 'file', 'spool')],
      ['is a file', () => join(root, 'file')],
    ])('does not start when its folder %s', async (_name, folder) => {
      writeFileSync(join(root, 'file'), '');
      await expect(openSpool({ folder: folder(), eventLog: log, recovery: RECOVERY, clock: realClock(), logger })).rejects.toThrow(/ENOTDIR|EEXIST|ENOENT/);
    });

    it('tells the caller in time that nothing was recorded', async () => {
      log.goAway();
      const spool = await open('a', { segmentBytes: 1, writeWithinMs: 300 });
      complete(spool, 'g1');
      await spool.flushed();
      fillDisk(join(root, 'a'));
      complete(spool, 'g2');
      await expect(spool.flushed()).rejects.toMatchObject({ type: 'gateway_unavailable' });
      expect(spool.state().unpublishedCount).toBe(1);
    });
  });
});

function deadProcessId(): number {
  return spawnSync(process.execPath, ['--version']).pid;
}
