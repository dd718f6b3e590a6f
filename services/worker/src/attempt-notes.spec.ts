import { describe, expect, it } from '@jest/globals';
import type { Meters } from '@switchyard/core';
import type { ExchangeAnswer } from '@switchyard/dialects/provider';
import { common, events, worker } from '@switchyard/proto';
import { manualClock } from '@switchyard/testing';
import { AttemptNotes } from './attempt-notes.js';
import { streamStep } from './runner-harness.fake.js';

const METERS: Meters = { input_uncached: 11, output_text: 7 };

function begin(fields: Partial<worker.StartFrame> = {}) {
  const clock = manualClock();
  const start = worker.StartFrame.fromPartial({ apiType: 'chat', body: Buffer.from('{"messages":[{"role":"user","content":"hello"}]}'), ...fields });
  return { clock, notes: new AttemptNotes(start, clock) };
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

describe('the notes of an attempt', () => {
  it('knows the time of the first token of a stream, and keeps it', () => {
    const { clock, notes } = begin();
    clock.advance(250);
    expect(notes.noteContent()).toBe(true);
    clock.advance(100);
    expect(notes.noteContent()).toBe(false);
    notes.end(events.AttemptOutcome.COMPLETED, undefined);
    expect([notes.firstTokenMs, notes.endTimeMs - notes.startTimeMs]).toEqual([250, 350]);
  });

  it('tells a finish reason once, and keeps it whatever comes after', () => {
    const { notes } = begin();
    expect(notes.noteProgress(streamStep({ finishReason: 'stop' }))).toBe(true);
    expect(notes.noteProgress(streamStep({ finishReason: 'stop' }))).toBe(false);
    expect(notes.noteProgress(streamStep())).toBe(false);
    expect([notes.finishReason, notes.isAnswerWhole]).toEqual(['stop', true]);
  });

  it('has no whole answer without a finish reason, nor with one that says that it failed', () => {
    const { notes } = begin();
    expect(notes.isAnswerWhole).toBe(false);
    notes.noteProgress(streamStep({ finishReason: 'error' }));
    expect(notes.isAnswerWhole).toBe(false);
  });

  it.each([
    [200, true],
    [204, true],
    [302, false],
    [503, false],
  ])('tells whether the provider has taken the request on: status %i', (status, isAccepted) => {
    const { notes } = begin();
    expect(notes.isAccepted).toBe(false);
    notes.noteHead({ status, headers: {} });
    expect(notes.isAccepted).toBe(isAccepted);
  });

  it('takes a count once, and says whose it is', () => {
    const { notes } = begin();
    expect(notes.noteUsage(streamStep())).toBe(false);
    expect(notes.noteUsage(streamStep({ meters: METERS }))).toBe(true);
    expect(notes.noteUsage(streamStep({ meters: METERS }))).toBe(false);
    expect([notes.meters, notes.usageSource]).toEqual([METERS, common.UsageSource.PROVIDER]);
  });

  it('keeps of what a provider calls its answer what is a word, and no text that it was sent', () => {
    const said = (upstreamId: string, serviceTier = 'flex') => {
      const [streamed, whole, refused] = [begin().notes, begin().notes, begin().notes];
      streamed.noteProgress(streamStep({ upstreamId, serviceTier }));
      whole.noteAnswer(answer({ upstreamId, serviceTier }));
      refused.noteHead({ status: 400, headers: { 'x-request-id': upstreamId } });
      return [streamed, whole, refused].map((notes) => [notes.upstreamId, notes.serviceTier]);
    };
    const id = 'chatcmpl-9f86d081:0/a+b=';
    expect(said(id)).toEqual([
      [id, 'flex'],
      [id, 'flex'],
      [id, ''],
    ]);
    for (const text of ['chatcmpl-what the client wrote', 'x'.repeat(1_000_000)]) expect(said(text, text)).toEqual(Array(3).fill(['', '']));
  });
});

describe('the usage of an attempt', () => {
  it('is the provider’s own where it counted at the end', () => {
    const { notes } = begin();
    notes.noteProgress(streamStep({ outputBytes: 28, finishReason: 'stop' }));
    notes.noteUsage(streamStep({ meters: METERS, isUsageFinal: true }));
    notes.noteStreamEnd();
    notes.settleUsage();
    expect([notes.meters, notes.usageSource]).toEqual([METERS, common.UsageSource.PROVIDER]);
  });

  it('is filled up by size where the provider counted before it had finished', () => {
    const { notes } = begin();
    notes.noteProgress(streamStep({ outputBytes: 400, finishReason: 'stop' }));
    notes.noteUsage(streamStep({ meters: METERS }));
    notes.noteStreamEnd();
    notes.settleUsage();
    expect([notes.meters, notes.usageSource]).toEqual([{ input_uncached: 11, output_text: 100 }, common.UsageSource.ESTIMATED]);
  });

  it('is the provider’s count of an answer that ended in good order though it never named its finish', () => {
    const { notes } = begin();
    notes.noteProgress(streamStep({ outputBytes: 28 }));
    notes.noteUsage(streamStep({ meters: METERS }));
    notes.noteStreamEnd();
    notes.settleUsage();
    expect(notes.usageSource).toBe(common.UsageSource.PROVIDER);
  });

  it('of a whole answer without a count is estimated', () => {
    const { notes } = begin();
    notes.noteAnswer(answer());
    notes.settleUsage();
    expect([notes.meters?.output_text, notes.usageSource]).toEqual([7, common.UsageSource.ESTIMATED]);
  });

  it('of a whole answer that broke off is guessed by what came of it, within what was asked for', () => {
    const broken = (fields: Partial<worker.StartFrame>) => {
      const { notes } = begin(fields);
      notes.receivedBytes = 4_000;
      notes.noteBrokenAnswer();
      return notes.outputBytes;
    };
    expect(broken({})).toBe(4_000);
    expect(broken({ maxOutputTokens: 10n })).toBe(40);
    expect(broken({ endpoint: worker.AttemptEndpoint.create({ maxCompletionTokens: 20n }) })).toBe(80);
    expect(broken({ apiType: 'embeddings' })).toBe(0);
  });

  it('has a fee per request of its own where the provider takes one', () => {
    const schedule = (ratesPico: { [meter: string]: bigint }): common.PriceSchedule => ({ revision: 'r', ratesPico, overrides: [], discountMillionths: 0 });
    const paid = begin({ costSchedule: schedule({ request: 1n }) }).notes;
    const free = begin({ costSchedule: schedule({ output_text: 1n }) }).notes;
    for (const notes of [paid, free]) {
      notes.noteUsage(streamStep({ meters: METERS }));
      notes.addRequestFee();
    }
    expect([paid.meters, free.meters]).toEqual([{ ...METERS, request: 1 }, METERS]);
  });
});
