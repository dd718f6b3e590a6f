import { describe, expect, it } from '@jest/globals';
import type { AttemptTransport } from '@switchyard/grpc';
import { worker } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import { manualClock } from '@switchyard/testing';
import { runAttempt, type AttemptOutput } from './attempt.js';
import type { Generation } from './core/generation.js';

/** What a worker is asked for when an endpoint of this tier was chosen. */
async function endpointAskedFor(serviceTier: string): Promise<worker.StartFrame['endpoint']> {
  let asked: worker.StartFrame | undefined;
  const transport: AttemptTransport = {
    start: (frame, listener) => {
      asked = frame;
      queueMicrotask(() => listener.onEnd({ end: worker.AttemptEnd.COMPLETED, error: undefined, warnings: [], upstreamId: '', serviceTier: '' }));
      return { cancel: () => undefined, grant: () => undefined, session: undefined };
    },
  };
  const generation = { id: 'gen-1', acceptTimeMs: 0, startedAtMs: 0, key: {}, request: { body: Buffer.from('{}') }, attempts: [] } as unknown as Generation;
  const candidate = {
    endpoint: { record: { endpointId: 'e', traits: { reasoning_style: 'effort' } }, serviceTier },
    model: {},
    deadlines: { connectMs: 1, firstTokenMs: 1, betweenChunksMs: 1, totalMs: 1 },
  } as unknown as PlanCandidate;
  const output: AttemptOutput = { write: () => true, writeDebug: () => undefined, commit: () => undefined, onDrain: () => undefined, onGone: () => undefined };
  await runAttempt(transport, manualClock(), generation, candidate, output, { outputTokenCap: undefined, totalMs: 60_000, settleBeforeMs: 60_000 });
  return asked?.endpoint;
}

describe('an attempt', () => {
  it('asks for the tier whose price is charged, and for none where that is the plain one', async () => {
    expect((await endpointAskedFor('priority'))?.traits).toEqual({ reasoning_style: 'effort', service_tier: 'priority' });
    expect((await endpointAskedFor('default'))?.traits).toEqual({ reasoning_style: 'effort' });
  });
});
