import { describe, expect, it } from '@jest/globals';
import type { Meters, PriceSchedule } from '@switchyard/core';
import { common, events } from '@switchyard/proto';
import type { AttemptRecord, Generation } from './generation.js';
import { settleGeneration } from './settlement.js';

const schedule: PriceSchedule = { revision: 'r', ratesPico: { input_uncached: 10n, output_text: 20n }, overrides: [], discountMillionths: 0 };

function generation(apiType = 'chat', imageCount = 0): Generation {
  return {
    acceptTimeMs: 0,
    request: { apiType, bound: { textBytes: 400, imageCount, hasTools: false, usesCacheControl: false } },
  } as unknown as Generation;
}

function attempt(fields: Partial<AttemptRecord>, prices = schedule): AttemptRecord {
  return {
    end: 'completed',
    meters: { input_uncached: 100, output_text: 50 },
    usageSource: common.UsageSource.PROVIDER,
    finishReason: 'stop',
    upstreamStatus: 200,
    outputBytes: 0,
    isReported: true,
    candidate: { chargeSchedule: prices },
    ...fields,
  } as AttemptRecord;
}

describe('settleGeneration', () => {
  it.each<[string, Partial<AttemptRecord>, events.GenerationEnd, bigint, string[]]>([
    ['a completed answer by the provider’s figures', {}, events.GenerationEnd.COMPLETED, 2_000n, []],
    ['an answer without figures by its size, flagged', { meters: undefined, outputBytes: 40 }, events.GenerationEnd.COMPLETED, 1_200n, ['usage_estimated']],
    ['an aborted stream for what came', { end: 'client_gone', finishReason: '' }, events.GenerationEnd.CLIENT_ABORTED, 2_000n, []],
    [
      'nothing when the client left before the upstream answered',
      { end: 'client_gone', upstreamStatus: 0, meters: undefined },
      events.GenerationEnd.CLIENT_ABORTED,
      0n,
      [],
    ],
    [
      'nothing when the upstream refused as the client left',
      { end: 'client_gone', upstreamStatus: 429, meters: undefined, finishReason: '' },
      events.GenerationEnd.CLIENT_ABORTED,
      0n,
      [],
    ],
    [
      'what came before the upstream failed as the client left',
      { end: 'client_gone', upstreamStatus: 529, meters: undefined, finishReason: '', outputBytes: 40 },
      events.GenerationEnd.CLIENT_ABORTED,
      1_200n,
      ['usage_estimated'],
    ],
    ['nothing when the upstream failed', { end: 'failed', finishReason: '' }, events.GenerationEnd.UPSTREAM_FAILED, 0n, []],
    ['nothing when it timed out', { end: 'timed_out', finishReason: '' }, events.GenerationEnd.UPSTREAM_FAILED, 0n, []],
    ['nothing for an empty answer without a reason', { finishReason: '', meters: { input_uncached: 100 } }, events.GenerationEnd.COMPLETED, 0n, []],
    ['nothing for an answer that ends in an error', { finishReason: 'error' }, events.GenerationEnd.COMPLETED, 0n, []],
    ['the prompt of an empty answer that has a reason', { meters: { input_uncached: 100 } }, events.GenerationEnd.COMPLETED, 1_000n, []],
    [
      'an estimate when the session broke after the finish reason',
      { end: 'session_lost', isReported: false, isCommitted: true, meters: undefined, outputBytes: 40 },
      events.GenerationEnd.COMPLETED,
      1_200n,
      ['usage_estimated'],
    ],
    [
      'what the provider had counted and what came after it, when its worker never said the last word',
      { end: 'client_gone', isReported: false, meters: { input_uncached: 100, output_text: 1 }, outputBytes: 40 },
      events.GenerationEnd.CLIENT_ABORTED,
      1_200n,
      ['usage_estimated'],
    ],
    [
      'nothing when the session broke after it and the client had seen nothing',
      { end: 'session_lost', isCommitted: false },
      events.GenerationEnd.UPSTREAM_FAILED,
      0n,
      [],
    ],
    ['nothing when the session broke before it', { end: 'session_lost', finishReason: '' }, events.GenerationEnd.UPSTREAM_FAILED, 0n, []],
  ])('charges %s', (_case, fields, end, chargePico, flags) => {
    const settlement = settleGeneration(generation(), attempt(fields));
    expect(settlement).toMatchObject({ end, charge: { amountPico: chargePico } });
    expect(settlement.flags).toEqual(flags);
  });

  it('charges embeddings, which have no completion', () => {
    const meters: Meters = { input_uncached: 100 };
    expect(settleGeneration(generation('embeddings'), attempt({ meters, finishReason: '' })).charge.amountPico).toBe(1_000n);
  });

  it('adds the request and its images where they have a price', () => {
    const prices: PriceSchedule = { ...schedule, ratesPico: { ...schedule.ratesPico, request: 7n, input_image: 5n } };
    const settlement = settleGeneration(generation('chat', 2), attempt({}, prices));
    expect(settlement.charge.amountPico).toBe(2_000n + 7n + 10n);
    expect(settlement.meters).toMatchObject({ request: 1, input_image: 2 });
  });

  it('charges what has a price and says so when something counted has none', () => {
    const settlement = settleGeneration(generation(), attempt({}, { ...schedule, ratesPico: { input_uncached: 10n } }));
    expect(settlement).toMatchObject({ charge: { amountPico: 1_000n }, flags: ['price_missing'] });
  });
});
