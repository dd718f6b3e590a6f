import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CircuitBreakers, type BreakerFailure } from './circuit-breaker.js';

const ID = 'acme/writer@a';

/** An attempt that is begun and ends at once. */
function fail(breakers: CircuitBreakers, nowMs: number, failure: BreakerFailure = { kind: 'failed' }): void {
  breakers.recordFailure(ID, breakers.acquireAnyway(ID), nowMs, failure);
}

function succeed(breakers: CircuitBreakers, nowMs: number): void {
  breakers.recordSuccess(ID, breakers.acquireAnyway(ID), nowMs);
}

function opened(nowMs = 0): CircuitBreakers {
  const breakers = new CircuitBreakers();
  for (let index = 0; index < 3; index++) fail(breakers, nowMs);
  return breakers;
}

describe('CircuitBreakers', () => {
  it('knows nothing of an endpoint that never failed', () => {
    const breakers = new CircuitBreakers();
    succeed(breakers, 0);
    expect(breakers.stateOf(ID, 0)).toBeUndefined();
    expect(breakers.tryAcquire(ID, 0)).toBeDefined();
  });

  it('opens after three failures in a row, and not when a success came between', () => {
    const breakers = new CircuitBreakers();
    for (const outcome of ['fail', 'fail', 'ok', 'fail', 'fail']) {
      if (outcome === 'ok') succeed(breakers, 0);
      else fail(breakers, 0);
    }
    expect(breakers.stateOf(ID, 0)?.phase).toBe('closed');
    fail(breakers, 0);
    expect(breakers.stateOf(ID, 0)).toMatchObject({ phase: 'open', openUntilMs: 5_000, mayProbe: false });
    expect(breakers.tryAcquire(ID, 0)).toBeUndefined();
  });

  it('opens after two timeouts, because each cost a client its wait', () => {
    const breakers = new CircuitBreakers();
    fail(breakers, 0, { kind: 'timed_out' });
    expect(breakers.stateOf(ID, 0)).toMatchObject({ phase: 'closed', isFailing: true });
    fail(breakers, 0, { kind: 'timed_out' });
    expect(breakers.stateOf(ID, 0)?.phase).toBe('open');
  });

  it('lets exactly one probe through when its time is over, and closes on its success', () => {
    const breakers = opened();
    expect(breakers.stateOf(ID, 5_000)).toMatchObject({ phase: 'half_open', mayProbe: true });
    expect(breakers.tryAcquire(ID, 5_000)).toBeDefined();
    expect(breakers.tryAcquire(ID, 5_000)).toBeUndefined();
    expect(breakers.stateOf(ID, 5_000)?.mayProbe).toBe(false);
    succeed(breakers, 5_100);
    expect(breakers.stateOf(ID, 5_100)?.phase).toBe('closed');
    expect(breakers.tryAcquire(ID, 5_100)).toBeDefined();
  });

  it('doubles its time with each failed probe, up to 30 s, and starts over once it closed', () => {
    const breakers = opened();
    let nowMs = 5_000;
    for (const openMs of [10_000, 20_000, 30_000, 30_000]) {
      expect(breakers.tryAcquire(ID, nowMs)).toBeDefined();
      fail(breakers, nowMs);
      expect(breakers.stateOf(ID, nowMs)).toMatchObject({ phase: 'open', openUntilMs: nowMs + openMs });
      nowMs += openMs;
    }
    succeed(breakers, nowMs);
    for (let index = 0; index < 3; index++) fail(breakers, nowMs);
    expect(breakers.stateOf(ID, nowMs)?.openUntilMs).toBe(nowMs + 5_000);
  });

  it('frees a probe whose attempt told nothing, and one that nobody reported back', () => {
    const breakers = opened();
    breakers.release(ID, breakers.tryAcquire(ID, 5_000)!);
    expect(breakers.tryAcquire(ID, 5_001)).toBeDefined();
    expect(breakers.tryAcquire(ID, 65_000)).toBeUndefined();
    expect(breakers.tryAcquire(ID, 65_001)).toBeDefined();
  });

  it('ignores the success of a stream that began before it opened', () => {
    const breakers = new CircuitBreakers();
    const early = breakers.tryAcquire(ID, 0)!;
    for (let index = 0; index < 3; index++) fail(breakers, 0);
    for (const nowMs of [1_000, 5_000]) breakers.recordSuccess(ID, early, nowMs);
    expect(breakers.stateOf(ID, 5_000)?.phase).toBe('half_open');
  });

  it('leaves the probe to the request that has it, whatever comes of those that began before', () => {
    const breakers = new CircuitBreakers();
    const [left, late] = [breakers.tryAcquire(ID, 0)!, breakers.tryAcquire(ID, 0)!];
    for (let index = 0; index < 3; index++) fail(breakers, 0);
    const probe = breakers.tryAcquire(ID, 5_000)!;
    breakers.release(ID, left);
    breakers.recordFailure(ID, late, 5_001, { kind: 'timed_out' });
    expect(breakers.tryAcquire(ID, 5_002)).toBeUndefined();
    expect(breakers.stateOf(ID, 5_002)).toMatchObject({ phase: 'half_open', mayProbe: false, failureCount: 4 });
    breakers.recordSuccess(ID, probe, 5_003);
    expect(breakers.stateOf(ID, 5_003)?.phase).toBe('closed');
  });

  it('stays closed when those that began before an outage run out of time after it', () => {
    const breakers = new CircuitBreakers();
    const waiting = [1, 2, 3].map(() => breakers.tryAcquire(ID, 0)!);
    for (let index = 0; index < 3; index++) fail(breakers, 0);
    breakers.recordSuccess(ID, breakers.tryAcquire(ID, 5_000)!, 5_100);
    for (const pass of waiting) breakers.recordFailure(ID, pass, 6_000, { kind: 'timed_out' });
    expect(breakers.stateOf(ID, 6_000)?.phase).toBe('closed');
  });

  it('closes with the success of an attempt that was made although it was open', () => {
    const breakers = opened();
    breakers.recordSuccess(ID, breakers.acquireAnyway(ID), 1_000);
    expect(breakers.stateOf(ID, 1_000)?.phase).toBe('closed');
  });

  it('R41 closes an endpoint for the time of a Retry-After, and never shortens a longer one', () => {
    const breakers = new CircuitBreakers();
    fail(breakers, 0, { kind: 'rate_limited', retryAfterMs: 20_000 });
    fail(breakers, 1_000, { kind: 'rate_limited', retryAfterMs: 2_000 });
    expect(breakers.stateOf(ID, 1_000)).toMatchObject({ phase: 'open', openUntilMs: 20_000, isFailing: false, failureCount: 0 });
    for (let index = 0; index < 3; index++) fail(breakers, 2_000);
    expect(breakers.stateOf(ID, 2_000)?.openUntilMs).toBe(20_000);
    expect(breakers.stateOf(ID, 20_000)?.phase).toBe('half_open');
  });

  it('lets all through again with the first content after a 429, yet after failures only with a whole answer', () => {
    const limited = new CircuitBreakers();
    fail(limited, 0, { kind: 'rate_limited', retryAfterMs: 1_000 });
    limited.recordContent(ID, limited.acquireAnyway(ID), 500);
    expect(limited.stateOf(ID, 500)?.phase).toBe('open');
    limited.recordContent(ID, limited.tryAcquire(ID, 1_000)!, 1_100);
    expect(limited.stateOf(ID, 1_100)).toBeUndefined();
    const failed = opened();
    failed.recordContent(ID, failed.tryAcquire(ID, 5_000)!, 5_100);
    expect(failed.tryAcquire(ID, 5_200)).toBeUndefined();
    succeed(failed, 5_300);
    expect(failed.tryAcquire(ID, 5_400)).toBeDefined();
  });

  it('does not believe a Retry-After of days', () => {
    const breakers = new CircuitBreakers();
    fail(breakers, 0, { kind: 'rate_limited', retryAfterMs: 1e9 });
    expect(breakers.stateOf(ID, 0)?.openUntilMs).toBe(600_000);
  });

  it('remembers failures for 30 s', () => {
    const breakers = new CircuitBreakers();
    fail(breakers, 0);
    expect(breakers.stateOf(ID, 24_999)).toMatchObject({ isFailing: true, failureCount: 1 });
    expect(breakers.stateOf(ID, 30_000)).toBeUndefined();
  });

  it('forgets endpoints that left the table', () => {
    const breakers = opened();
    breakers.retain(new Set(['other']));
    expect(breakers.stateOf(ID, 0)).toBeUndefined();
  });

  it('lists what is not closed', () => {
    expect(opened().states(0)).toEqual({ [ID]: expect.objectContaining({ phase: 'open' }) });
  });

  it('never lets two attempts through between opening and the next outcome, whatever happens', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('acquire' as const), waitMs: fc.integer({ min: 0, max: 4_000 }) }),
      fc.record({ kind: fc.constant('wait' as const), waitMs: fc.integer({ min: 0, max: 40_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const breakers = opened();
        let nowMs = 0;
        let acquiredMs: number | undefined;
        for (const { kind, waitMs } of steps) {
          nowMs += waitMs;
          if (kind === 'acquire' && breakers.tryAcquire(ID, nowMs)) {
            if (acquiredMs !== undefined) expect(nowMs - acquiredMs).toBeGreaterThanOrEqual(60_000);
            expect(nowMs).toBeGreaterThanOrEqual(5_000);
            acquiredMs = nowMs;
          }
        }
      }),
    );
  });
});
