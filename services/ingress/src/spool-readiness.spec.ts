import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSpool, type Spool } from '@switchyard/events';
import { captureLogger, eventually, realClock, recordingEventLog } from '@switchyard/testing';
import { ingressSpoolRecovery } from './generation-journal.js';
import { spoolReadiness } from './spool-readiness.js';

describe('readiness while the event log is away', () => {
  let folder: string;
  let spool: Spool;
  const log = recordingEventLog();
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchyard-readiness-'));
    const [eventLog, recovery, clock, logger] = [log, ingressSpoolRecovery, realClock(), captureLogger()];
    spool = await openSpool({ folder: join(folder, 'spool'), eventLog, recovery, clock, logger, maxBytes: 100_000, segmentBytes: 5_000 });
  });
  afterEach(async () => {
    log.comeBack();
    await spool.close({ drainWithinMs: 2_000 });
    rmSync(folder, { recursive: true, force: true });
  });

  async function fillTo(share: number): Promise<void> {
    for (let index = 0; spool.state().usedShare < share; index++) {
      const value = 'x'.repeat(900);
      spool.append({ kind: 'attempt', attemptId: `g${index}:0`, event: { topic: 'done', key: `g${index}`, value, headers: {} } });
      await spool.flushed();
    }
  }

  it('degrades when 80 % of the spool are used, ends when it is full, and comes back by itself', async () => {
    log.goAway();
    await fillTo(0.78);
    expect(spoolReadiness(spool.state())).toEqual({ ready: true });
    await fillTo(0.8);
    expect(spoolReadiness(spool.state())).toEqual({ ready: true, degraded: true, detail: expect.stringMatching(/^8\d % used$/) });
    await fillTo(1);
    expect(spoolReadiness(spool.state())).toEqual({ ready: false, detail: 'full' });
    log.comeBack();
    await eventually(() => expect(spoolReadiness(spool.state())).toEqual({ ready: true }));
  });
});
