import { describe, expect, it } from '@jest/globals';
import { manualClock } from '@switchyard/testing';
import { SpoolBacklog } from './spool-backlog.js';

describe('the backlog of a spool', () => {
  it('is as old as the time since anything was published, and of no age while nothing waits', () => {
    const clock = manualClock();
    const backlog = new SpoolBacklog(clock);
    clock.advance(1_000);
    expect(backlog.oldestAgeMs).toBe(0);
    backlog.add(3);
    clock.advance(500);
    backlog.add(1);
    expect([backlog.eventCount, backlog.oldestAgeMs]).toEqual([4, 500]);
    backlog.remove(2);
    clock.advance(100);
    expect([backlog.eventCount, backlog.oldestAgeMs]).toEqual([2, 100]);
    backlog.remove(2);
    clock.advance(5_000);
    expect([backlog.eventCount, backlog.oldestAgeMs]).toEqual([0, 0]);
    backlog.add(1);
    expect(backlog.oldestAgeMs).toBe(0);
  });
});
