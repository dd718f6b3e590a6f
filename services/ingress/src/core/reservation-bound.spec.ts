import { describe, expect, it } from '@jest/globals';
import { calculateCharge, completionTokenCount, promptTokenCount, type Meter, type Meters, type PriceSchedule, type RatesPico } from '@switchyard/core';
import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { chatRequestBound, promptTokensEstimate, promptTokensLeast } from './request-bound.js';
import { affordableOutputTokens, countedTokenBound, endpointInputTokenBound, inputTokenBound, maximumCharge, type RequestBound } from './reservation-bound.js';

const NO_MEDIA = { imageCount: 0, fileCount: 0, audioCount: 0, videoCount: 0 };
const TEXT_ALONE: RequestBound = { textBytes: 1_000, imageCount: 0, hasTools: false, usesCacheControl: false };

function boundOf(body: object, counts: Partial<typeof NO_MEDIA> = {}, toolCount = 0): RequestBound {
  return chatRequestBound({ ...body }, Buffer.from(JSON.stringify(body)), { ...NO_MEDIA, ...counts }, toolCount);
}

const say = (content: unknown) => ({ model: 'acme/writer', messages: [{ role: 'user', content }] });

describe('the bound of a prompt', () => {
  it('is never less than its tokens, in whatever script', () => {
    const scripts = ['plain words', '汉字漢字', 'עברית', 'ประโยค', '🚂🚃', '\u0000\u001b', '  \n\t', 'ﷺ', 'naïve café'];
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.constantFrom(...scripts)).map((parts) => parts.join('')),
    );
    const withoutText = inputTokenBound(boundOf(say('')));
    fc.assert(fc.property(text, (content) => inputTokenBound(boundOf(say(content))) - withoutText >= countTokens(content)));
  });

  it('is the same for letters that the client escaped, as many do with all beyond ASCII', () => {
    const body = say('Где находится библиотека? 図書館はどこですか。');
    const escaped = JSON.stringify(body).replaceAll(/[^ -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
    expect(JSON.parse(escaped)).toEqual(body);
    expect(chatRequestBound({ ...body }, Buffer.from(escaped), NO_MEDIA, 0)).toEqual(boundOf(body));
  });

  it.each([
    ['English', 'Notwithstanding the foregoing provisions, international organizations responsible for telecommunications acknowledge considerations. '],
    ['Georgian', 'საერთაშორისო ორგანიზაციები ხშირად აღიარებენ პასუხისმგებლობას ინფრასტრუქტურის, განათლებისა და ჯანდაცვის განვითარებაზე. '],
    ['Hindi', 'अंतरराष्ट्रीय संगठन अक्सर बुनियादी ढांचे, शिक्षा और स्वास्थ्य सेवा के विकास की जिम्मेदारी स्वीकार करते हैं। '],
    ['indented data', JSON.stringify([{ nested: { deeper: { list: [1, [true, { name: 'value' }]] } } }], undefined, 4)],
    ['a padded table', `| ${'name'.padEnd(30)} | ${'value'.padEnd(30)} |\n`],
  ])('is surely no more than its tokens, which fit a context that they fill: %s', (_what, sentence) => {
    const content = sentence.repeat(100);
    expect(promptTokensLeast(boundOf(say(content)))).toBeLessThanOrEqual(countTokens(content));
  });

  it('is surely next to nothing of what a provider may show its model small', () => {
    const part = { type: 'file', file: { file_data: `data:application/pdf;base64,${'A'.repeat(400_000)}` } };
    const bound = boundOf(say([part, { type: 'image_url', image_url: { url: 'https://pictures.example/large' } }]), { fileCount: 1, imageCount: 1 });
    expect(promptTokensEstimate(bound)).toBeGreaterThan(7_000);
    expect(promptTokensLeast(bound)).toBeLessThan(20);
  });

  it('takes the most that a picture can count as, however large its bytes are', () => {
    const picture = (bytes: number) => say([{ type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(bytes)}` } }]);
    const [small, large] = [picture(100), picture(1_000_000)].map((body) => inputTokenBound(boundOf(body, { imageCount: 1 })));
    expect(large).toBe(small);
    // A square of 2,048 pixels at high detail, by the dearest published rule of tiles.
    expect(small).toBeGreaterThan(5_667);
  });

  it('makes room for what providers say of tools on their own', () => {
    expect(inputTokenBound(boundOf(say('hi'), {}, 1))).toBeGreaterThan(inputTokenBound(boundOf(say('hi'))) + 500);
  });

  const PLAIN_TOKENS = inputTokenBound(boundOf(say('')));
  const base64 = 'A'.repeat(400_000);

  it.each([
    ['a document', { type: 'file', file: { file_data: `data:application/pdf;base64,${base64}` } }, { fileCount: 1 }, 25_000],
    ['a document without a head', { type: 'file', file: { file_data: base64 } }, { fileCount: 1 }, 25_000],
    ['a document of one page', { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBE' } }, { fileCount: 1 }, 3_000],
    ['a file of text', { type: 'file', file: { file_data: `data:text/plain;base64,${base64}` } }, { fileCount: 1 }, 300_000],
    ['a video', { type: 'video_url', video_url: { url: `data:video/mp4;base64,${base64}` } }, { videoCount: 1 }, 25_000],
    ['sound', { type: 'input_audio', input_audio: { data: base64, format: 'mp3' } }, { audioCount: 1 }, 25_000],
  ])('makes room for %s that comes with the request, also when its text is counted', (_what, part, counts, tokens) => {
    const bound = boundOf(say([part]), counts);
    expect(inputTokenBound(bound) - PLAIN_TOKENS).toBeGreaterThanOrEqual(tokens);
    expect(countedTokenBound(bound, 10)).toBeGreaterThanOrEqual(10 + tokens);
    // And not for its bytes, where a token takes many.
    if (tokens === 25_000) expect(inputTokenBound(bound)).toBeLessThan(50_000);
    expect(endpointInputTokenBound(bound, 1_000_000)).toBe(inputTokenBound(bound));
  });

  it.each([
    ['a video', { type: 'video_url', video_url: { url: 'https://videos.example/long' } }, { videoCount: 1 }],
    ['a file', { type: 'file', file: { file_data: 'https://files.example/long.pdf' } }, { fileCount: 1 }],
    ['a file kept by the provider', { type: 'file', file: { file_id: 'file-1' } }, { fileCount: 1 }],
  ])('takes what the context of the model holds for %s that only the provider will see', (_what, part, counts) => {
    const bound = boundOf(say([part]), counts);
    expect(endpointInputTokenBound(bound, 200_000)).toBe(200_000);
    expect(endpointInputTokenBound(bound, undefined)).toBeGreaterThanOrEqual(1_000_000);
  });

  it('takes a picture for a picture, wherever it is', () => {
    const bound = boundOf(say([{ type: 'image_url', image_url: { url: 'https://pictures.example/1.png' } }]), { imageCount: 1 });
    expect(endpointInputTokenBound(bound, 200_000)).toBeLessThan(10_000);
  });
});

describe('what an attempt reserves', () => {
  const INPUT: readonly Meter[] = ['input_uncached', 'input_audio', 'input_image_tokens'];
  const CACHE: readonly Meter[] = ['cache_read', 'cache_write_5m', 'cache_write_1h'];
  const OUTPUT: readonly Meter[] = ['output_text', 'reasoning', 'output_audio', 'output_image_tokens'];
  const rates = fc
    .dictionary(fc.constantFrom(...INPUT, ...CACHE, ...OUTPUT), fc.bigInt({ min: 0n, max: 10_000_000n }))
    .map((some): RatesPico => ({ input_uncached: 3_000_000n, output_text: 15_000_000n, request: 7n, input_image: 11n, ...some }));
  const overrides = fc.array(fc.record({ minPromptTokens: fc.nat(2_000), utcDays: fc.constant([]), ratesPico: rates }), { maxLength: 3 });
  const schedules = fc
    .record({ ratesPico: rates, overrides, discountMillionths: fc.nat(999_999) })
    .map((schedule): PriceSchedule => ({ revision: 'r', ...schedule }));
  const counts = (names: readonly Meter[]) => fc.dictionary(fc.constantFrom(...names), fc.nat(1_000));

  it('covers every way to use the prompt and the output cap, at the prices of any size of prompt', () => {
    fc.assert(
      fc.property(schedules, counts(INPUT), counts(CACHE), counts(OUTPUT), fc.boolean(), (schedule, input, cache, output, usesCacheControl) => {
        const meters: Meters = { ...input, ...(usesCacheControl ? cache : {}), ...output, request: 1, input_image: 2 };
        const bound = { ...TEXT_ALONE, imageCount: 2, usesCacheControl };
        const mostPico = maximumCharge(schedule, bound, promptTokenCount(meters), completionTokenCount(meters));
        expect(calculateCharge(schedule, meters, 0).amountPico).toBeLessThanOrEqual(mostPico);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['cache_control', { cache_control: { type: 'ephemeral' } }],
    ['prompt_cache_breakpoint', { prompt_cache_breakpoint: { mode: 'explicit' } }],
  ])('covers the writing of a cache that %s asks for', (_name, mark) => {
    const schedule: PriceSchedule = { revision: 'r', ratesPico: { input_uncached: 100n, cache_write_5m: 125n }, overrides: [], discountMillionths: 0 };
    const marked = boundOf(say([{ type: 'text', text: 'hi', ...mark }]));
    expect(maximumCharge(schedule, marked, 1_000, 0)).toBe(125_000n);
    expect(maximumCharge(schedule, boundOf(say('my_control of a cache')), 1_000, 0)).toBe(100_000n);
    const body = say([{ type: 'text', text: 'hi', ...mark }]);
    const escaped = chatRequestBound({ ...body }, Buffer.from(JSON.stringify(body).replaceAll('_c', '\\u005fc')), NO_MEDIA, 0);
    expect(maximumCharge(schedule, escaped, 1_000, 0)).toBe(125_000n);
  });

  it('covers searches of the web where they have a price and are asked for', () => {
    const schedule = (ratesPico: RatesPico): PriceSchedule => ({ revision: 'r', ratesPico, overrides: [], discountMillionths: 0 });
    const priced = schedule({ input_uncached: 1n, web_search: 10_000n });
    const asking = boundOf({ ...say('hi'), web_search_options: {} });
    const meters: Meters = { input_uncached: 100, web_search: 5 };
    expect(maximumCharge(priced, asking, 100, 0)).toBeGreaterThanOrEqual(calculateCharge(priced, meters, 0).amountPico);
    expect(maximumCharge(schedule({ input_uncached: 1n }), asking, 100, 0)).toBe(100n);
    for (const body of [say('hi'), { ...say('hi'), web_search_options: null }]) expect(maximumCharge(priced, boundOf(body), 100, 0)).toBe(100n);
  });

  it('is the reverse of what an amount affords', () => {
    fc.assert(
      fc.property(schedules, fc.bigInt({ min: 0n, max: 10n ** 11n }), (schedule, availablePico) => {
        const tokens = affordableOutputTokens(schedule, TEXT_ALONE, 1_064, availablePico);
        if (tokens >= 0) expect(maximumCharge(schedule, TEXT_ALONE, 1_064, tokens)).toBeLessThanOrEqual(availablePico);
        // Where the answer is free no number of tokens is too many.
        if (tokens < Number.MAX_SAFE_INTEGER) expect(maximumCharge(schedule, TEXT_ALONE, 1_064, Math.max(0, tokens + 1))).toBeGreaterThan(availablePico);
      }),
    );
  });
});
