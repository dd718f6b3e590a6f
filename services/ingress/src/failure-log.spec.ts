import { describe, expect, it } from '@jest/globals';
import { captureLogger, manualClock } from '@switchyard/testing';
import type { AttemptRecord, Generation } from './core/generation.js';
import { FailureLog } from './failure-log.js';

const generation = {
  id: 'gen-1',
  startedAtMs: 0,
  key: { accountId: 'a1' },
  request: { attribution: { requestId: 'r1' } },
  attempts: [{}, {}],
  trace: undefined,
} as unknown as Generation;
const attempt = {
  candidate: { publicModel: 'acme/writer', endpoint: { providerSlug: 'alpha', endpointId: 'e1' } },
  error: { errorType: 'provider_unavailable', message: 'You said: a secret' },
  end: 'failed',
  upstreamStatus: 500,
} as unknown as AttemptRecord;

describe('the log of failed generations', () => {
  it('leads from a line to the request, its provider and its record, and repeats nothing that a provider wrote', () => {
    const logger = captureLogger();
    new FailureLog(logger, manualClock()).add(generation, attempt);
    expect(logger.lines).toMatchObject([
      {
        level: 'warn',
        fields: {
          generationId: 'gen-1',
          requestId: 'r1',
          accountId: 'a1',
          providerSlug: 'alpha',
          errorType: 'provider_unavailable',
          upstreamStatus: 500,
          attempt: 2,
        },
      },
    ]);
    expect(JSON.stringify(logger.lines)).not.toContain('secret');
  });

  it('writes some lines of an outage and counts the others', () => {
    const logger = captureLogger();
    const clock = manualClock();
    const log = new FailureLog(logger, clock);
    for (let index = 0; index < 500; index++) log.add(generation, attempt);
    expect(logger.lines).toHaveLength(10);
    clock.advance(1_000);
    log.add(generation, attempt);
    expect(logger.lines.at(-1)!.fields.droppedCount).toBe(490);
  });
});
