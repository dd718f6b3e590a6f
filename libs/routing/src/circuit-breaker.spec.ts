import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CircuitBreakers } from './circuit-breaker.js';

const ID = 'acme/writer@a';

function opened(nowMs = 0): CircuitBreakers {
  const breakers = new CircuitBreakers();
  for (let index = 0; index < 3; index++) breakers.recordFailure(ID, nowMs, { kind: 'failed' });
  return breakers;
}

describe('CircuitBreakers', () => {
  it('knows nothing of an endpoint that never failed', () => {
    const breakers = new CircuitBreakers();
    breakers.recordSuccess(ID, 0);
    expect(breakers.stateOf(ID, 0)).toBeUndefined();
    expect(breakers.tryAcquire(ID, 0)).toBe(true);
  });

  it('opens after three failures in a row, and not when a success came between', () => {
    const breakers = new CircuitBreakers();
    for (const outcome of ['fail', 'fail', 'ok', 'fail', 'fail']) {
      if (outcome === 'ok') breakers.recordSuccess(ID, 0);
      else breakers.recordFailure(ID, 0, { kind: 'failed' });
    }
    expect(breakers.stateOf(ID, 0)?.phase).toBe('closed');
    breakers.recordFailure(ID, 0, { kind: 'failed' });
    expect(breakers.stateOf(ID, 0)).toMatchObject({ phase: 'open', openUntilMs: 5_000, mayProbe: false });
    expect(breakers.tryAcquire(ID, 0)).toBe(false);
  });

  it('opens after two timeouts, because each cost a client its wait', () => {
    const breakers = new CircuitBreakers();
    breakers.recordFailure(ID, 0, { kind: 'timed_out' });
    expect(breakers.stateOf(ID, 0)).toMatchObject({ phase: 'closed', isFailing: true });
    breakers.recordFailure(ID, 0, { kind: 'timed_out' });
    expect(breakers.stateOf(ID, 0)?.phase).toBe('open');
  });

  it('lets exactly one probe through when its time is over, and closes on its success', () => {
    const breakers = opened();
    expect(breakers.stateOf(ID, 5_000)).toMatchObject({ phase: 'half_open', mayProbe: true });
    expect(breakers.tryAcquire(ID, 5_000)).toBe(true);
    expect(breakers.tryAcquire(ID, 5_000)).toBe(false);
    expect(breakers.stateOf(ID, 5_000)?.mayProbe).toBe(false);
    breakers.recordSuccess(ID, 5_100);
    expect(breakers.stateOf(ID, 5_100)?.phase).toBe('closed');
    expect(breakers.tryAcquire(ID, 5_100)).toBe(true);
  });

  it('doubles its time with each failed probe, up to 30 s, and starts over once it closed', () => {
    const breakers = opened();
    let nowMs = 5_000;
    for (const openMs of [10_000, 20_000, 30_000, 30_000]) {
      expect(breakers.tryAcquire(ID, nowMs)).toBe(true);
      breakers.recordFailure(ID, nowMs, { kind: 'failed' });
      expect(breakers.stateOf(ID, nowMs)).toMatchObject({ phase: 'open', openUntilMs: nowMs + openMs });
      nowMs += openMs;
    }
    breakers.recordSuccess(ID, nowMs);
    for (let index = 0; index < 3; index++) breakers.recordFailure(ID, nowMs, { kind: 'failed' });
    expect(breakers.stateOf(ID, nowMs)?.openUntilMs).toBe(nowMs + 5_000);
  });

  it('frees a probe whose attempt told nothing, and one that nobody reported back', () => {
    const breakers = opened();
    expect(breakers.tryAcquire(ID, 5_000)).toBe(true);
    breakers.release(ID);
    expect(breakers.tryAcquire(ID, 5_001)).toBe(true);
    expect(breakers.tryAcquire(ID, 65_000)).toBe(false);
    expect(breakers.tryAcquire(ID, 65_001)).toBe(true);
  });

  it('ignores the success of a stream that began before it opened', () => {
    const breakers = opened();
    breakers.recordSuccess(ID, 1_000);
    expect(breakers.stateOf(ID, 1_000)?.phase).toBe('open');
  });

  it('R41 closes an endpoint for the time of a Retry-After, and never shortens a longer one', () => {
    const breakers = new CircuitBreakers();
    breakers.recordFailure(ID, 0, { kind: 'rate_limited', retryAfterMs: 20_000 });
    breakers.recordFailure(ID, 1_000, { kind: 'rate_limited', retryAfterMs: 2_000 });
    expect(breakers.stateOf(ID, 1_000)).toMatchObject({ phase: 'open', openUntilMs: 20_000, isFailing: false, failureCount: 0 });
    for (let index = 0; index < 3; index++) breakers.recordFailure(ID, 2_000, { kind: 'failed' });
    expect(breakers.stateOf(ID, 2_000)?.openUntilMs).toBe(20_000);
    expect(breakers.stateOf(ID, 20_000)?.phase).toBe('half_open');
  });

  it('lets all through again with the first content after a 429, yet after failures only with a whole answer', () => {
    const limited = new CircuitBreakers();
    limited.recordFailure(ID, 0, { kind: 'rate_limited', retryAfterMs: 1_000 });
    limited.recordContent(ID, 500);
    expect(limited.stateOf(ID, 500)?.phase).toBe('open');
    expect(limited.tryAcquire(ID, 1_000)).toBe(true);
    limited.recordContent(ID, 1_100);
    expect(limited.stateOf(ID, 1_100)).toBeUndefined();
    const failed = opened();
    expect(failed.tryAcquire(ID, 5_000)).toBe(true);
    failed.recordContent(ID, 5_100);
    expect(failed.tryAcquire(ID, 5_200)).toBe(false);
    failed.recordSuccess(ID, 5_300);
    expect(failed.tryAcquire(ID, 5_400)).toBe(true);
  });

  it('does not believe a Retry-After of days', () => {
    const breakers = new CircuitBreakers();
    breakers.recordFailure(ID, 0, { kind: 'rate_limited', retryAfterMs: 1e9 });
    expect(breakers.stateOf(ID, 0)?.openUntilMs).toBe(600_000);
  });

  it('remembers failures for 30 s', () => {
    const breakers = new CircuitBreakers();
    breakers.recordFailure(ID, 0, { kind: 'failed' });
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
