import { describe, expect, it } from '@jest/globals';
import type { Meters } from '@switchyard/core';
import type { ExchangeAnswer } from '@switchyard/dialects/provider';
import { common, events, worker } from '@switchyard/proto';
import { manualClock } from '@switchyard/testing';
import { AttemptRecord } from './attempt-record.js';
import { streamStep } from './runner-harness.fake.js';

const METERS: Meters = { input_uncached: 11, output_text: 7 };

function begin(fields: Partial<worker.StartFrame> = {}) {
  const clock = manualClock();
  const start = worker.StartFrame.fromPartial({ apiType: 'chat', body: Buffer.from('{"messages":[{"role":"user","content":"hello"}]}'), ...fields });
  return { clock, record: new AttemptRecord(start, clock) };
}

const answer = (fields: Partial<ExchangeAnswer> = {}): ExchangeAnswer => ({
  bytes: Buffer.from('{}'),
  finishReason: 'stop',
  nativeFinishReason: 'stop',
  outputBytes: 28,
  reasoningBytes: 0,
  statement: {},
  ...fields,
});

describe('the record of an attempt', () => {
  it('knows the time of the first token of a stream, and keeps it', () => {
    const { clock, record } = begin();
    clock.advance(250);
    expect(record.noteContent()).toBe(true);
    clock.advance(100);
    expect(record.noteContent()).toBe(false);
    record.end(events.AttemptOutcome.COMPLETED, undefined);
    expect([record.firstTokenMs, record.endTimeMs - record.startTimeMs]).toEqual([250, 350]);
  });

  it('tells a finish reason once, and keeps it whatever comes after', () => {
    const { record } = begin();
    expect(record.noteProgress(streamStep({ finishReason: 'stop' }))).toBe(true);
    expect(record.noteProgress(streamStep({ finishReason: 'stop' }))).toBe(false);
    expect(record.noteProgress(streamStep())).toBe(false);
    expect([record.finishReason, record.isAnswerWhole]).toEqual(['stop', true]);
  });

  it('has no whole answer without a finish reason, nor with one that says that it failed', () => {
    const { record } = begin();
    expect(record.isAnswerWhole).toBe(false);
    record.noteProgress(streamStep({ finishReason: 'error' }));
    expect(record.isAnswerWhole).toBe(false);
  });

  it.each([
    [200, true],
    [204, true],
    [302, false],
    [503, false],
  ])('tells whether the provider has taken the request on: status %i', (status, isAccepted) => {
    const { record } = begin();
    expect(record.isAccepted).toBe(false);
    record.noteHead({ status, headers: {} });
    expect(record.isAccepted).toBe(isAccepted);
  });

  it('takes a count once, and says whose it is', () => {
    const { record } = begin();
    expect(record.noteUsage(streamStep())).toBe(false);
    expect(record.noteUsage(streamStep({ meters: METERS }))).toBe(true);
    expect(record.noteUsage(streamStep({ meters: METERS }))).toBe(false);
    expect([record.meters, record.usageSource]).toEqual([METERS, common.UsageSource.PROVIDER]);
  });
});

describe('the usage of an attempt', () => {
  it('is the provider’s own where it counted at the end', () => {
    const { record } = begin();
    record.noteProgress(streamStep({ outputBytes: 28, finishReason: 'stop' }));
    record.noteUsage(streamStep({ meters: METERS, isUsageFinal: true }));
    record.noteStreamEnd();
    record.settleUsage();
    expect([record.meters, record.usageSource]).toEqual([METERS, common.UsageSource.PROVIDER]);
  });

  it('is filled up by size where the provider counted before it had finished', () => {
    const { record } = begin();
    record.noteProgress(streamStep({ outputBytes: 400, finishReason: 'stop' }));
    record.noteUsage(streamStep({ meters: METERS }));
    record.noteStreamEnd();
    record.settleUsage();
    expect([record.meters, record.usageSource]).toEqual([{ input_uncached: 11, output_text: 100 }, common.UsageSource.ESTIMATED]);
  });

  it('is the provider’s count of an answer that ended in good order though it never named its finish', () => {
    const { record } = begin();
    record.noteProgress(streamStep({ outputBytes: 28 }));
    record.noteUsage(streamStep({ meters: METERS }));
    record.noteStreamEnd();
    record.settleUsage();
    expect(record.usageSource).toBe(common.UsageSource.PROVIDER);
  });

  it('of a whole answer without a count is estimated', () => {
    const { record } = begin();
    record.noteAnswer(answer());
    record.settleUsage();
    expect([record.meters?.output_text, record.usageSource]).toEqual([7, common.UsageSource.ESTIMATED]);
  });

  it('of a whole answer that broke off is guessed by what came of it, within what was asked for', () => {
    const broken = (fields: Partial<worker.StartFrame>) => {
      const { record } = begin(fields);
      record.receivedBytes = 4_000;
      record.noteBrokenAnswer();
      return record.outputBytes;
    };
    expect(broken({})).toBe(4_000);
    expect(broken({ maxOutputTokens: 10n })).toBe(40);
    expect(broken({ endpoint: worker.AttemptEndpoint.create({ maxCompletionTokens: 20n }) })).toBe(80);
    expect(broken({ apiType: 'embeddings' })).toBe(0);
  });

  it('has a fee per request of its own where the provider takes one', () => {
    const schedule = (ratesPico: { [meter: string]: bigint }): common.PriceSchedule => ({ revision: 'r', ratesPico, overrides: [], discountMillionths: 0 });
    const paid = begin({ costSchedule: schedule({ request: 1n }) }).record;
    const free = begin({ costSchedule: schedule({ output_text: 1n }) }).record;
    for (const record of [paid, free]) {
      record.noteUsage(streamStep({ meters: METERS }));
      record.addRequestFee();
    }
    expect([paid.meters, free.meters]).toEqual([{ ...METERS, request: 1 }, METERS]);
  });
});
