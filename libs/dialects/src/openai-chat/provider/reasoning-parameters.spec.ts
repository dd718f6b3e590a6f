import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { JsonObject, ReasoningRequest } from '@switchyard/core';
import type { EndpointFacts, OpenaiChatDeviations } from '../../dialect-manifest.js';
import { openaiMeters } from './meters.js';
import { reasoningParameters } from './reasoning-parameters.js';
import { ThinkTagSplitter } from './think-tags.js';

function parameters(
  reasoning: ReasoningRequest,
  deviations: OpenaiChatDeviations,
  traits: Record<string, string> = {},
): { body: JsonObject; warnings: string[] } {
  const endpoint: EndpointFacts = { providerModelId: 'x', supportedParameters: [], traits, inputModalities: [] };
  const warnings: string[] = [];
  return { body: reasoningParameters(reasoning, { endpoint, deviations, outputCap: 10_000, original: undefined }, warnings), warnings };
}

describe('reasoning, as each family spells it', () => {
  it.each<[string, ReasoningRequest, OpenaiChatDeviations, JsonObject]>([
    ['an effort', { effort: 'high' }, {}, { reasoning_effort: 'high' }],
    ['a stronger effort than there is', { effort: 'xhigh' }, {}, { reasoning_effort: 'high' }],
    ['a weaker effort than there is', { effort: 'minimal' }, { reasoningEfforts: ['low', 'high'] }, { reasoning_effort: 'low' }],
    ['a budget as effort', { maxTokens: 5000 }, {}, { reasoning_effort: 'medium' }],
    ['merely on', { enabled: true }, {}, { reasoning_effort: 'medium' }],
    ['off', { effort: 'none' }, {}, { reasoning_effort: 'none' }],
    ['off, where it cannot be', { enabled: false }, { reasoningEfforts: ['low', 'high'] }, { reasoning_effort: 'low' }],
    ['nothing but exclude', { exclude: true }, {}, {}],
    ['Qwen on', { effort: 'low' }, { reasoningStyle: 'enable-thinking' }, { enable_thinking: true, thinking_budget: 2000 }],
    ['Qwen off', { enabled: false }, { reasoningStyle: 'enable-thinking' }, { enable_thinking: false }],
    ['Moonshot on', { enabled: true }, { reasoningStyle: 'thinking-type' }, { thinking: { type: 'enabled' } }],
    ['vLLM off', { effort: 'none' }, { reasoningStyle: 'chat-template' }, { chat_template_kwargs: { enable_thinking: false, thinking: false } }],
    ['Together on', { enabled: true }, { reasoningStyle: 'reasoning-enabled' }, { reasoning: { enabled: true } }],
    [
      'DeepSeek, which knows efforts beside the switch',
      { effort: 'low' },
      { reasoningStyle: 'thinking-type', reasoningEfforts: ['low', 'high', 'max'] },
      { thinking: { type: 'enabled' }, reasoning_effort: 'low' },
    ],
    [
      'a budget for it',
      { maxTokens: 9_900 },
      { reasoningStyle: 'thinking-type', reasoningEfforts: ['low', 'high', 'max'] },
      { thinking: { type: 'enabled' }, reasoning_effort: 'max' },
    ],
    ['it off', { effort: 'none' }, { reasoningStyle: 'thinking-type', reasoningEfforts: ['low', 'high', 'max'] }, { thinking: { type: 'disabled' } }],
    ['Ollama', { effort: 'xhigh' }, { reasoningStyle: 'think' }, { think: 'high' }],
    ['another OpenRouter', { maxTokens: 7, exclude: true }, { reasoningStyle: 'openrouter' }, { reasoning: { max_tokens: 7, exclude: true } }],
    ['no way to ask', { enabled: true }, { reasoningStyle: 'none' }, {}],
  ])('%s', (_name, reasoning, deviations, body) => {
    expect(parameters(reasoning, deviations).body).toEqual(body);
  });

  it('takes the endpoint’s word over the manifest’s, and warns of what it changed', () => {
    expect(parameters({ effort: 'low' }, { reasoningStyle: 'none' }, { reasoning_style: 'effort', reasoning_efforts: 'high, xhigh' })).toEqual({
      body: { reasoning_effort: 'high' },
      warnings: ['reasoning.effort: this endpoint has no low; high was asked for.'],
    });
    expect(parameters({ enabled: true }, { reasoningStyle: 'none' }).warnings).toHaveLength(1);
  });
});

describe('ThinkTagSplitter', () => {
  it('finds the same tags however the text is split', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.array(fc.nat(80)), (reasoning, text, cutSeeds) => {
        fc.pre(!reasoning.includes('<') && !reasoning.startsWith('\n') && !text.startsWith('\n') && text !== '');
        const whole = `<think>${reasoning}</think>${text}`;
        const splitter = new ThinkTagSplitter();
        const pieces: string[] = [];
        let from = 0;
        for (const cut of [...new Set(cutSeeds.map((seed) => seed % whole.length))].sort((a, b) => a - b).concat(whole.length)) {
          pieces.push(whole.slice(from, cut));
          from = cut;
        }
        const parts = [...pieces.map((piece) => splitter.push(piece)), splitter.finish()];
        expect({ reasoning: parts.map((part) => part.reasoning).join(''), text: parts.map((part) => part.text).join('') }).toEqual({ reasoning, text });
      }),
    );
  });

  it('leaves text without tags alone, even what looks like the start of one', () => {
    const splitter = new ThinkTagSplitter();
    expect([splitter.push('<th'), splitter.push('e>'), splitter.finish()].map((part) => part.text).join('')).toBe('<the>');
  });
});

describe('openaiMeters', () => {
  it.each<[string, JsonObject, object]>([
    [
      'OpenAI',
      {
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 10, audio_tokens: 5 },
        completion_tokens_details: { reasoning_tokens: 20, audio_tokens: 3 },
      },
      { input_uncached: 55, cache_read: 30, cache_write_5m: 10, input_audio: 5, output_text: 27, reasoning: 20, output_audio: 3 },
    ],
    [
      'DeepSeek’s cache',
      { prompt_tokens: 10, completion_tokens: 1, prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 6 },
      { input_uncached: 6, cache_read: 4, output_text: 1 },
    ],
    [
      'xAI: reasoning beside the completion',
      { prompt_tokens: 12, completion_tokens: 1, total_tokens: 303, completion_tokens_details: { reasoning_tokens: 290 } },
      { input_uncached: 12, output_text: 1, reasoning: 290 },
    ],
    ['thoughts counted in the total alone', { prompt_tokens: 5, completion_tokens: 2, total_tokens: 17 }, { input_uncached: 5, output_text: 2, reasoning: 10 }],
    [
      'details larger than their total',
      { prompt_tokens: 5, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 9 }, completion_tokens_details: { reasoning_tokens: 9 } },
      { cache_read: 5, reasoning: 2 },
    ],
  ])('reads %s', (_name, usage, expected) => {
    expect(openaiMeters(usage, undefined)).toEqual(expected);
  });
});
