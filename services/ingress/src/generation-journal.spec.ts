import { describe, expect, it } from '@jest/globals';
import { decodeAttemptCompleted, decodeGenerationCompleted, encodeGenerationCompleted } from '@switchyard/events';
import { common, events } from '@switchyard/proto';
import type { AcceptedGeneration } from './core/abandoned-generation.js';
import { ingressSpoolRecovery } from './generation-journal.js';

const accepted: AcceptedGeneration = {
  generationId: 'gen-1767225600-00000000000000000000',
  eventId: '019b7600-0000-7000-8000-000000000001',
  acceptTimeMs: 1_767_225_600_000,
  accountId: 'account',
  workspaceId: 'workspace',
  keyHash: 'hash',
  apiType: 'chat',
  streamed: true,
  modelRequested: 'acme/writer',
  model: 'acme/writer',
  modelPermaslug: 'acme/writer-2026',
  endpointId: 'acme/writer@alpha',
  providerSlug: 'alpha',
  providerName: 'Alpha',
  user: '',
  sessionId: '',
  traceparent: '',
  cost: {
    revision: 'r1',
    discountMillionths: 0,
    amountPico: '9007199254740993',
    meters: { input_uncached: 7 },
    unitCostsPico: { input_uncached: '1286742750677284' },
  },
};

describe('ingressSpoolRecovery', () => {
  it('ends what a dead ingress left open without a charge, and books what its first attempt probably cost', () => {
    const [end, attempt] = ingressSpoolRecovery.endAbandoned({ kind: 'accepted', generationId: accepted.generationId, body: JSON.stringify(accepted) });
    expect(decodeGenerationCompleted(end!.value)).toMatchObject({
      eventId: accepted.eventId,
      end: events.GenerationEnd.GATEWAY_FAILED,
      chargePico: 0n,
      accountId: 'account',
      endpointId: 'acme/writer@alpha',
    });
    expect(decodeAttemptCompleted(attempt!.value)).toMatchObject({
      eventId: '019b7600-0000-7000-8000-000000000000',
      attemptId: `${accepted.generationId}:0`,
      costPico: 9_007_199_254_740_993n,
      reporter: events.AttemptReporter.INGRESS,
      usage: { source: common.UsageSource.ESTIMATED },
      flags: ['usage_estimated'],
    });
  });

  it('makes the same events again when a recovery is repeated', () => {
    const record = { kind: 'accepted' as const, generationId: accepted.generationId, body: JSON.stringify(accepted) };
    expect(ingressSpoolRecovery.endAbandoned(record)).toEqual(ingressSpoolRecovery.endAbandoned(record));
  });

  it('flags an end whose delivery nobody confirmed, and changes nothing else of it', () => {
    const event = events.GenerationCompleted.fromPartial({
      eventId: accepted.eventId,
      generationId: accepted.generationId,
      chargePico: 5n,
      flags: ['usage_estimated'],
    });
    const flagged = ingressSpoolRecovery.flagUnconfirmed(encodeGenerationCompleted(event, 'ingress/a'));
    expect(decodeGenerationCompleted(flagged.value)).toEqual({ ...event, flags: ['usage_estimated', 'delivery_unconfirmed'] });
  });
});
