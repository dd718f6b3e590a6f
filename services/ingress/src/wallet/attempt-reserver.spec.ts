import { describe, expect, it } from '@jest/globals';
import type { PriceSchedule } from '@switchyard/core';
import { billing } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import { captureLogger, manualClock } from '@switchyard/testing';
import type { Generation } from '../core/generation.js';
import { chatRequestBound, promptTokensEstimate } from '../core/request-bound.js';
import { inputTokenBound } from '../core/reservation-bound.js';
import { walletOver } from '../fixtures/fake-leases.js';
import { AttemptReserver, type AttemptReservation, type Unaffordable } from './attempt-reserver.js';

const INPUT_PICO = 1_000n;
const OUTPUT_PICO = 2_000n;
const SCHEDULE: PriceSchedule = { revision: 'r1', ratesPico: { input_uncached: INPUT_PICO, output_text: OUTPUT_PICO }, overrides: [], discountMillionths: 0 };
const NO_MEDIA = { imageCount: 0, fileCount: 0, audioCount: 0, videoCount: 0 };

interface Asked {
  readonly creditPico: bigint;
  readonly content: unknown;
  readonly counts?: Partial<typeof NO_MEDIA>;
  readonly maxOutputTokens?: number;
  readonly contextLength?: number;
  readonly maxCompletionTokens?: number | undefined;
  readonly providerSlug?: string;
  readonly traits?: Readonly<Record<string, string>>;
  /** Granted for the answer, of the tokens of the minute. */
  readonly quotaTokens?: number;
  /** Tokens that the exact counter finds. */
  readonly countedTokens?: number;
}

function tokenQuota(tokens: number): object {
  return { parts: [{ leases: { scope: { kind: billing.LeaseScopeKind.KEY_TOKENS_PER_MINUTE } }, amount: BigInt(tokens) }] };
}

/** What a chat request gets reserved on an endpoint, with so much credit. */
async function reserve(asked: Asked): Promise<AttemptReservation | Unaffordable> {
  let credit = asked.creditPico;
  const wallet = walletOver({ availableIn: () => credit, take: (_scope, amount) => void (credit -= amount) }, manualClock(), captureLogger());
  const counter = { count: async () => asked.countedTokens };
  const reserver = new AttemptReserver(wallet, counter, { defaultOutputTokens: 16_384, minOutputTokens: 16 });
  const body = { model: 'acme/writer', messages: [{ role: 'user', content: asked.content }] };
  const bytes = Buffer.from(JSON.stringify(body));
  const bound = chatRequestBound(body, bytes, { ...NO_MEDIA, ...asked.counts }, 0);
  const routing = { apiType: 'chat', promptTokensEstimate: promptTokensEstimate(bound) };
  const quota = asked.quotaTokens === undefined ? undefined : tokenQuota(inputTokenBound(bound) + asked.quotaTokens);
  const generation = {
    quota,
    key: { accountId: 'account', hash: 'h' },
    acceptTimeMs: 0,
    request: { apiType: 'chat', body: bytes, bound, routing, maxOutputTokens: asked.maxOutputTokens },
  } as unknown as Generation;
  const { providerSlug = 'vllm', traits = {}, contextLength, maxCompletionTokens } = asked;
  const endpoint = { providerSlug, record: { traits }, contextLength, maxCompletionTokens };
  return reserver.reserve(generation, { endpoint, chargeSchedule: SCHEDULE } as unknown as PlanCandidate);
}

describe('the reservation of an attempt', () => {
  it.each([
    ['a document', { type: 'file', file: { file_data: `data:application/pdf;base64,${'A'.repeat(400_000)}` } }, { fileCount: 1 }],
    ['a video', { type: 'video_url', video_url: { url: `data:video/mp4;base64,${'A'.repeat(400_000)}` } }, { videoCount: 1 }],
    ['sound', { type: 'input_audio', input_audio: { data: 'A'.repeat(400_000), format: 'mp3' } }, { audioCount: 1 }],
  ])('does not start %s that cannot be paid for, although its text can', async (_what, part, counts) => {
    const asked = { content: [part], counts, maxOutputTokens: 10, countedTokens: 20 };
    expect(await reserve({ ...asked, creditPico: 20_000n * INPUT_PICO })).toMatchObject({ requestedTokens: 10, affordableTokens: -1 });
    expect(await reserve({ ...asked, creditPico: 30_000n * INPUT_PICO })).toMatchObject({ outputTokenCap: 10 });
  });

  it('takes the context of the model for a video that only the provider will see, whatever its address counts as', async () => {
    const video = { type: 'video_url', video_url: { url: 'https://videos.example/long' } };
    const asked = { content: [video], counts: { videoCount: 1 }, maxOutputTokens: 10, countedTokens: 20, contextLength: 100_000 };
    expect(await reserve({ ...asked, creditPico: 99_000n * INPUT_PICO })).toMatchObject({ affordableTokens: -1 });
    expect(await reserve({ ...asked, creditPico: 101_000n * INPUT_PICO })).toMatchObject({ outputTokenCap: 10 });
  });

  describe('of an answer that the client did not limit', () => {
    const RICH = 10n ** 12n;
    /** Three bytes and a token each. */
    const dense = (tokens: number) => '汉'.repeat(tokens);

    it("sends the endpoint's own maximum where the context has room for it", async () => {
      const result = await reserve({ creditPico: RICH, content: 'hi', contextLength: 32_768, maxCompletionTokens: 8_000 });
      expect(result).toMatchObject({ outputTokenCap: 8_000 });
    });

    it('sends a cap that fits the context with every prompt of so many bytes', async () => {
      const tokens = 8_000;
      const result = (await reserve({ creditPico: RICH, content: dense(tokens), contextLength: 32_768, maxCompletionTokens: 32_768 })) as AttemptReservation;
      expect(result.outputTokenCap).toBeGreaterThanOrEqual(4_096);
      expect(result.outputTokenCap! + tokens).toBeLessThanOrEqual(32_768);
      expect(result.reservedPico).toBeGreaterThanOrEqual(BigInt(tokens) * INPUT_PICO + BigInt(result.outputTokenCap!) * OUTPUT_PICO);
    });

    const cramped = { content: dense(4_000), contextLength: 8_192, maxCompletionTokens: 8_000 };

    it('sends no cap where the context may be full, and reserves the longest answer that there can be', async () => {
      const result = (await reserve({ ...cramped, creditPico: RICH })) as AttemptReservation;
      expect(result.outputTokenCap).toBeUndefined();
      expect(result.reservedPico).toBeGreaterThanOrEqual(12_000n * INPUT_PICO + 8_000n * OUTPUT_PICO);
      const unknown = (await reserve({ ...cramped, maxCompletionTokens: undefined, creditPico: RICH })) as AttemptReservation;
      expect(unknown.outputTokenCap).toBeUndefined();
      expect(unknown.reservedPico).toBeGreaterThanOrEqual(8_192n * OUTPUT_PICO);
    });

    it('sends one all the same where the money needs it, and reserves no more than that', async () => {
      const result = (await reserve({ ...cramped, creditPico: 12_200n * INPUT_PICO + 5_000n * OUTPUT_PICO })) as AttemptReservation;
      expect(result.outputTokenCap).toBe(4_096);
      expect(result.reservedPico).toBeLessThan(12_200n * INPUT_PICO + 4_097n * OUTPUT_PICO);
      const poor = (await reserve({ ...cramped, creditPico: 12_200n * INPUT_PICO + 100n * OUTPUT_PICO })) as AttemptReservation;
      expect(poor.outputTokenCap).toBeGreaterThanOrEqual(100);
      expect(poor.outputTokenCap).toBeLessThan(300);
      expect(poor.reservedPico).toBeLessThanOrEqual(12_200n * INPUT_PICO + 100n * OUTPUT_PICO);
    });

    it('sends one where tokens are limited by the minute: no more than was granted of them', async () => {
      expect(await reserve({ creditPico: RICH, content: 'hi', maxCompletionTokens: 8_000, quotaTokens: 700 })).toMatchObject({ outputTokenCap: 700 });
      expect(await reserve({ creditPico: RICH, content: 'hi', maxCompletionTokens: 600, quotaTokens: 700 })).toMatchObject({ outputTokenCap: 600 });
      expect(await reserve({ ...cramped, creditPico: RICH, quotaTokens: 700 })).toMatchObject({ outputTokenCap: 700 });
      expect(await reserve({ ...cramped, creditPico: RICH, quotaTokens: 7_000 })).toMatchObject({ outputTokenCap: 4_096 });
    });

    it.each([
      ['that wants one named', { providerSlug: 'anthropic' }],
      ['of the operator that speaks the dialect of one', { providerSlug: 'acme', traits: { manifest: 'anthropic' } }],
    ])('always names one to a provider %s: what the counted prompt leaves', async (_which, provider) => {
      const asked = { ...cramped, creditPico: RICH, ...provider };
      const counted = (await reserve({ ...asked, content: 'word '.repeat(1_600), countedTokens: 1_600 })) as AttemptReservation;
      expect(counted.outputTokenCap).toBeGreaterThan(4_096);
      expect(counted.outputTokenCap! + 1_600).toBeLessThan(8_192);
      expect(await reserve({ ...asked, countedTokens: 4_000 })).toMatchObject({ outputTokenCap: 4_096 });
    });
  });
});
