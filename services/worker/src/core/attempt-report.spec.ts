import { describe, expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import { common, events, worker } from '@switchyard/proto';
import { attemptCompleted, type AttemptResult } from './attempt-report.js';
import { estimateMeters, estimatePromptTokens } from './estimate-usage.js';

const costSchedule: common.PriceSchedule = {
  revision: 'cost-7',
  ratesPico: { input_uncached: 3_000_000n, output_text: 15_000_000n, unheard_of: 1n },
  overrides: [{ minPromptTokens: 1_000n, utcDays: [], ratesPico: { input_uncached: 6_000_000n } }],
  discountMillionths: 100_000,
};

const start = worker.StartFrame.create({
  generationId: 'gen-1-x',
  attemptIndex: 2,
  acceptTimeMs: 1_763_700_000_000n,
  accountId: 'account-1',
  traceparent: '00-aa-bb-01',
  endpoint: { endpointId: 'e1', providerSlug: 'openai', modelPermaslug: 'openai/gpt-x' },
  costSchedule,
});

const completed: AttemptResult = {
  outcome: events.AttemptOutcome.COMPLETED,
  error: undefined,
  upstreamStatus: 200,
  upstreamId: 'u1',
  startTimeMs: 1_763_700_000_100,
  endTimeMs: 1_763_700_000_900,
  firstTokenMs: 250.4,
  meters: { input_uncached: 10, output_text: 4, reasoning: 2 },
  usageSource: common.UsageSource.PROVIDER,
  finishReason: 'stop',
  serviceTier: '',
  statement: undefined,
};

describe('the report of an attempt', () => {
  it('prices an answer in the default tier by that tier, although a dearer one was asked for', () => {
    const asked = {
      ...start,
      defaultTierCostSchedule: { ...costSchedule, revision: 'cost-default', ratesPico: { input_uncached: 1n, output_text: 2n }, discountMillionths: 0 },
    };
    expect(attemptCompleted(asked, { ...completed, serviceTier: 'default' }, 'e', 'w')).toMatchObject({ costPico: 22n, costRevision: 'cost-default' });
    for (const serviceTier of ['priority', '']) {
      expect(attemptCompleted(asked, { ...completed, serviceTier }, 'e', 'w').costRevision).toBe('cost-7');
      expect(attemptCompleted(start, { ...completed, serviceTier: 'default' }, 'e', 'w').costRevision).toBe('cost-7');
    }
  });

  it('prices it by the frame’s own cost schedule, to the pico', () => {
    const event = attemptCompleted(start, completed, 'event-1', 'worker-1');
    expect(event).toMatchObject({
      eventId: 'event-1',
      attemptId: 'gen-1-x:2',
      generationId: 'gen-1-x',
      index: 2,
      accountId: 'account-1',
      endpointId: 'e1',
      providerSlug: 'openai',
      isByok: false,
      outcome: events.AttemptOutcome.COMPLETED,
      outputTokens: 6n,
      firstTokenMs: 250n,
      costRevision: 'cost-7',
      unitCostsPico: { input_uncached: 3_000_000n, output_text: 15_000_000n, reasoning: 15_000_000n },
      // (10 × 3 + 6 × 15) × 0.9
      costPico: 108_000_000n,
      costDiscountMillionths: 100_000,
      reporter: events.AttemptReporter.WORKER,
      reporterId: 'worker-1',
      flags: [],
    });
  });

  it('uses the price of a long prompt', () => {
    expect(attemptCompleted(start, { ...completed, meters: { input_uncached: 1_001 } }, 'e', 'w').costPico).toBe((1_001n * 6_000_000n * 9n) / 10n);
  });

  it('flags estimates and costs that cannot be told; a missing price is never zero in silence', () => {
    expect(attemptCompleted(start, { ...completed, usageSource: common.UsageSource.ESTIMATED }, 'e', 'w').flags).toEqual(['usage_estimated']);
    const withoutPrice = { ...start, costSchedule: { ...costSchedule, ratesPico: { input_uncached: 1n } } };
    expect(attemptCompleted(withoutPrice, completed, 'e', 'w')).toMatchObject({ costPico: 0n, flags: ['cost_unknown'] });
    expect(attemptCompleted({ ...start, costSchedule: undefined }, completed, 'e', 'w')).toMatchObject({ costPico: 0n, flags: ['cost_unknown'] });
  });

  it('tells a failure without usage as free of cost', () => {
    const error = new SwitchyardError('rate_limit_exceeded', 'Slow down.', { retryAfterMs: 7_000, upstreamStatus: 429, providerCode: 'requests' });
    const event = attemptCompleted(
      start,
      {
        ...completed,
        outcome: events.AttemptOutcome.UPSTREAM_FAILED,
        error,
        meters: undefined,
        upstreamStatus: 429,
        usageSource: common.UsageSource.ESTIMATED,
      },
      'e',
      'w',
    );
    expect(event).toMatchObject({
      costPico: 0n,
      flags: [],
      usage: undefined,
      error: { errorType: 'rate_limit_exceeded', retryAfterMs: 7_000n, providerCode: 'requests', upstreamStatus: 429 },
    });
  });
});

describe('what a provider wrote', () => {
  const failedWith = (message: string, upstreamStatus: number) =>
    attemptCompleted(
      start,
      {
        ...completed,
        outcome: events.AttemptOutcome.UPSTREAM_FAILED,
        error: new SwitchyardError('permission_denied', message, { upstreamStatus, providerCode: 'a code with blanks', metadata: { flagged_input: message } }),
        upstreamStatus,
      },
      'e',
      'w',
    ).error!;

  it('is not kept: it may quote a prompt', () => {
    expect(failedWith('You said: tell me a secret', 400)).toMatchObject({ errorType: 'permission_denied', message: '', metadataJson: '', providerCode: '' });
  });

  it('still tells a refusal by geography from another', () => {
    expect(failedWith('Not available in your country, although you said: a secret', 403).message).toBe('The provider does not serve this region.');
    expect(failedWith('You may not', 403).message).toBe('');
  });
});

describe('estimates', () => {
  const bodyOf = (content: unknown) => Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] }));

  it('count the texts of a prompt, not its JSON or base64', () => {
    expect(estimatePromptTokens(bodyOf('a'.repeat(400)))).toBe(104);
    expect(estimatePromptTokens(bodyOf([{ type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(100_000)}` } }]))).toBeLessThan(1_000);
    expect(estimatePromptTokens(Buffer.from('not json'))).toBe(2);
  });

  it('never lower what the provider reported', () => {
    const body = bodyOf('hello');
    expect(estimateMeters({ input_uncached: 50, output_text: 9 }, body, 8, 0)).toEqual({ input_uncached: 50, output_text: 9 });
    expect(estimateMeters({ input_uncached: 50, output_text: 1 }, body, 40, 20)).toEqual({ input_uncached: 50, output_text: 5, reasoning: 5 });
    expect(estimateMeters(undefined, body, 40, 0)).toEqual({ input_uncached: 6, output_text: 10 });
    expect(estimateMeters({ output_text: 12 }, body, 40, 0)).toEqual({ input_uncached: 6, output_text: 12 });
  });
});
