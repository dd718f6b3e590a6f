import { describe, expect, it } from '@jest/globals';
import type { AttemptListener, AttemptTransport } from '@switchyard/grpc';
import { worker } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import { manualClock } from '@switchyard/testing';
import { runAttempt, type AttemptOutput } from './attempt.js';
import type { AttemptRecord, Generation } from './core/generation.js';

type Worker = (frame: worker.StartFrame, listener: AttemptListener) => void;

const COMPLETED: worker.EndFrame = { end: worker.AttemptEnd.COMPLETED, error: undefined, warnings: [], upstreamId: '', serviceTier: '' };

interface Chosen {
  readonly serviceTier: string;
  readonly defaultTier?: object | undefined;
}

async function run(asWorker: Worker, { serviceTier, defaultTier }: Chosen, onContent: () => void = () => undefined): Promise<AttemptRecord> {
  const transport: AttemptTransport = {
    start: (frame, listener) => {
      queueMicrotask(() => asWorker(frame, listener));
      return { cancel: () => undefined, grant: () => undefined, session: undefined };
    },
  };
  const generation = { id: 'gen-1', acceptTimeMs: 0, startedAtMs: 0, key: {}, request: { body: Buffer.from('{}') }, attempts: [] } as unknown as Generation;
  const candidate = {
    endpoint: { record: { endpointId: 'e', traits: { reasoning_style: 'effort' } }, serviceTier },
    model: {},
    chargeSchedule: 'its own',
    defaultTier,
    deadlines: { connectMs: 1, firstTokenMs: 1, betweenChunksMs: 1, totalMs: 1 },
  } as unknown as PlanCandidate;
  const output: AttemptOutput = { write: () => true, writeDebug: () => undefined, commit: () => undefined, onDrain: () => undefined, onGone: () => undefined };
  const options = { outputTokenCap: undefined, totalMs: 60_000, settleBeforeMs: 60_000, onContent };
  return runAttempt(transport, manualClock(), generation, candidate, output, options);
}

/** What a worker is asked for when an endpoint of this tier was chosen. */
async function endpointAskedFor(serviceTier: string): Promise<worker.StartFrame['endpoint']> {
  let asked: worker.StartFrame | undefined;
  const answer: Worker = (frame, listener) => {
    asked = frame;
    listener.onEnd(COMPLETED);
  };
  await run(answer, { serviceTier });
  return asked?.endpoint;
}

/** By which prices a request for the priority tier is charged. */
async function scheduleWhenAnsweredIn(serviceTier: string, defaultTier?: object): Promise<unknown> {
  const attempt = await run((_frame, listener) => listener.onEnd({ ...COMPLETED, serviceTier }), { serviceTier: 'priority', defaultTier });
  return attempt.candidate.chargeSchedule;
}

describe('an attempt', () => {
  it('asks for the tier whose price is charged, and for none where that is the plain one', async () => {
    expect((await endpointAskedFor('priority'))?.traits).toEqual({ reasoning_style: 'effort', service_tier: 'priority' });
    expect((await endpointAskedFor('default'))?.traits).toEqual({ reasoning_style: 'effort' });
  });

  it('is charged by the default tier where the provider answered in it, although the priority one was asked for', async () => {
    const defaultTier = { chargeSchedule: 'of the default tier' };
    expect(await scheduleWhenAnsweredIn('default', defaultTier)).toBe('of the default tier');
    expect(await scheduleWhenAnsweredIn('priority', defaultTier)).toBe('its own');
    expect(await scheduleWhenAnsweredIn('default')).toBe('its own');
  });

  it('is lost with its worker, and no failure of the provider, where a worker that stops cancels it', async () => {
    const attempt = await run((_frame, listener) => listener.onEnd({ ...COMPLETED, end: worker.AttemptEnd.CANCELLED }), { serviceTier: 'default' });
    expect(attempt).toMatchObject({ end: 'session_lost', isReported: true });
  });

  it('tells of the first content when it comes, once, and not when the stream is over', async () => {
    const order: string[] = [];
    const chunk = (hasContent: boolean): worker.DataFrame => worker.DataFrame.fromPartial({ bytes: Buffer.from('data'), hasContent });
    const streaming: Worker = (_frame, listener) => {
      for (const hasContent of [false, true, true]) {
        listener.onData(chunk(hasContent));
        order.push(hasContent ? 'content' : 'preamble');
      }
      listener.onEnd(COMPLETED);
    };
    await run(streaming, { serviceTier: 'default' }, () => order.push('told'));
    expect(order).toEqual(['preamble', 'told', 'content', 'content']);
  });
});
