import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { captureLogger, eventually, realClock, recordingEventLog, type RecordingEventLog } from '@switchyard/testing';
import type { EventRecord } from '../event-log.js';
import { openSpool } from './open-spool.js';
import type { Spool, SpoolOptions } from './spool.js';

const event = (id: string): EventRecord => ({ topic: 'done', key: id, value: JSON.stringify({ id }), headers: { ce_id: `event-${id}` } });

describe('a spool with something that cannot be read', () => {
  let root: string;
  let log: RecordingEventLog;
  let logger: ReturnType<typeof captureLogger>;
  let spools: Spool[];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'switchyard-spool-'));
    log = recordingEventLog();
    logger = captureLogger();
    spools = [];
  });
  afterEach(async () => {
    await Promise.all(spools.map((spool) => spool.close({ drainWithinMs: 2_000 })));
    rmSync(root, { recursive: true, force: true });
  });

  const open = async (name: string, options: Partial<SpoolOptions> = {}): Promise<Spool> => {
    const recovery = { endAbandoned: () => [], flagUnconfirmed: (record: EventRecord) => record };
    const spool = await openSpool({ folder: join(root, name), eventLog: log, recovery, clock: realClock(), logger, ...options });
    spools.push(spool);
    return spool;
  };
  const ownedBy = (id: string, told: string[] = []): Partial<SpoolOptions> => ({ owner: { id, onPublished: async (ownerId) => void told.push(ownerId) } });
  const write = (spool: Spool, id: string): void => spool.append({ kind: 'attempt', attemptId: `${id}:1`, event: event(id) });

  /** A process that dies before it could publish, and whose records nobody can read. The answer mends them in the folder where they are then. */
  const leaveUnreadable = async (name: string, id: string): Promise<(folder: string) => void> => {
    log.goAway();
    const spool = await open(name, ownedBy('dead'));
    write(spool, id);
    await spool.close({ drainWithinMs: 1 });
    log.comeBack();
    const segment = readdirSync(join(root, name)).find((file) => file.endsWith('.segment'))!;
    const content = readFileSync(join(root, name, segment));
    makeUnreadable(join(root, name, segment), content.length);
    writeFileSync(join(root, name, 'lock'), JSON.stringify({ pid: spawnSync(process.execPath, ['--version']).pid, startedAt: '', token: 'gone' }));
    return (folder) => {
      rmSync(join(folder, segment), { recursive: true });
      writeFileSync(join(folder, segment), content);
    };
  };

  it('publishes its own meanwhile, says so, and publishes that once it can be read', async () => {
    const mend = await leaveUnreadable('dead', 'g1');
    const heir = await open('heir');
    write(heir, 'g2');
    await eventually(() => expect(log.published).toEqual([event('g2')]));
    expect(logger.lines).toContainEqual(expect.objectContaining({ level: 'error', message: expect.stringContaining('could not be read') }));
    // It counts as waiting, and for ever: that must not turn new requests away.
    await eventually(() => expect(heir.state().oldestUnpublishedAgeMs).toBeGreaterThan(100));
    expect(heir.state().usedShare).toBeLessThan(0.001);
    const adopted = join(
      root,
      'heir',
      readdirSync(join(root, 'heir')).find((folder) => folder.startsWith('adopted-'))!,
    );
    mend(adopted);
    await eventually(() => expect(log.published).toEqual([event('g2'), event('g1')]));
    await eventually(() => expect(existsSync(adopted)).toBe(false));
    await eventually(() => expect(heir.state()).toMatchObject({ oldestUnpublishedAgeMs: 0, unpublishedCount: 0 }));
  });

  it('keeps it, and whose it is, for the next process', async () => {
    const told: string[] = [];
    const mend = await leaveUnreadable('a', 'g1');
    const second = await open('a', ownedBy('second', told));
    write(second, 'g2');
    await eventually(() => expect(log.published).toEqual([event('g2')]));
    await second.close({ drainWithinMs: 2_000 });
    expect(told).toEqual(['second']);
    mend(join(root, 'a'));
    await open('a', ownedBy('third', told));
    await eventually(() => expect(log.published).toEqual([event('g2'), event('g1')]));
    await eventually(() => expect(told).toContain('dead'));
  });
});

/** A folder of at least the file's length: it opens, and every read of it fails, for root as well. */
function makeUnreadable(path: string, length: number): void {
  rmSync(path);
  mkdirSync(path);
  for (let index = 0; statSync(path).size < length; index++) writeFileSync(join(path, `${index}`.padStart(100, '0')), '');
}
