import { describe, expect, it } from '@jest/globals';
import { expectedFacts, isReasoningMandatory } from './model-facts.js';

describe('facts that a name tells', () => {
  it.each([
    'openai/o3',
    'openai/gpt-5',
    'openai/gpt-5-mini',
    'openai/gpt-5.1-codex',
    'openai/gpt-5.2-pro',
    'deepseek/deepseek-r1',
    'google/gemini-2.5-pro',
    'anthropic/claude-opus-5.5',
    'anthropic/claude-fable-5.1',
  ])('%s always reasons', (slug) => expect(isReasoningMandatory(slug)).toBe(true));

  it.each([
    'openai/gpt-5.1',
    'openai/gpt-5.2',
    'openai/gpt-5-chat',
    'openai/gpt-4o',
    'google/gemini-2.5-flash',
    'anthropic/claude-sonnet-4.5',
    'anthropic/claude-opus-5',
    'anthropic/claude-haiku-5.5',
  ])('%s can answer without reasoning', (slug) => expect(isReasoningMandatory(slug)).toBe(false));

  it.each([
    ['anthropic/claude-haiku-4.5', 64_000],
    ['anthropic/claude-opus-4.8', 128_000],
    ['anthropic/claude-sonnet-5.5', 128_000],
    ['openai/gpt-5.4-mini', 128_000],
    ['openai/gpt-5.3-chat', undefined],
    ['anthropic/claude-3.5-sonnet', undefined],
  ])('%s writes at most %s tokens', (slug, longest) => expect(expectedFacts(slug).maxCompletionTokens).toBe(longest));
});
