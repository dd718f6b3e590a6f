import { describe, expect, it } from '@jest/globals';
import type { ErrorType } from '@switchyard/errors';
import { CircuitBreakers, type BreakerPass } from '@switchyard/routing';
import type { AttemptEndKind, AttemptRecord } from './core/generation.js';
import { recordEvidence } from './endpoint-evidence.js';

const ID = 'acme/writer@a';

/** An attempt that ended so. */
function ended(end: AttemptEndKind, errorType?: ErrorType): AttemptRecord {
  return { candidate: { endpoint: { endpointId: ID } }, end, error: errorType && { errorType } } as unknown as AttemptRecord;
}

/** Half-open, with its probe under way; `early` began before it opened. */
function probed(): { breakers: CircuitBreakers; early: BreakerPass; probe: BreakerPass } {
  const breakers = new CircuitBreakers();
  const early = breakers.tryAcquire(ID, 0)!;
  for (let turn = 0; turn < 3; turn++) recordEvidence(breakers, ended('failed', 'provider_unavailable'), breakers.acquireAnyway(ID), 0);
  return { breakers, early, probe: breakers.tryAcquire(ID, 5_000)! };
}

describe('what an attempt tells the breaker of its endpoint', () => {
  it.each<[AttemptEndKind, ErrorType | undefined]>([
    ['client_gone', undefined],
    ['session_lost', 'provider_unavailable'],
    ['timed_out', 'timeout'],
    ['failed', 'invalid_request'],
  ])('frees the probe when it ends as %s (%s) without evidence, and only its own', (end, errorType) => {
    const { breakers, early, probe } = probed();
    recordEvidence(breakers, ended(end, errorType), early, 5_001);
    expect(breakers.tryAcquire(ID, 5_002)).toBeUndefined();
    recordEvidence(breakers, ended(end, errorType), probe, 5_003);
    expect(breakers.tryAcquire(ID, 5_004)).toBeDefined();
  });

  it('closes it when the probe is answered, not when an answer from before its outage ends', () => {
    const { breakers, early, probe } = probed();
    recordEvidence(breakers, ended('completed'), early, 5_001);
    expect(breakers.stateOf(ID, 5_001)?.phase).toBe('half_open');
    recordEvidence(breakers, ended('completed'), probe, 5_002);
    expect(breakers.stateOf(ID, 5_002)?.phase).toBe('closed');
  });
});
