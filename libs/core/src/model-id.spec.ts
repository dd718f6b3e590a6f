import { describe, expect, it } from '@jest/globals';
import { modelAuthor, parseModelName, publicModelId } from './model-id.js';

describe('parseModelName', () => {
  it('leaves a plain slug whole', () => {
    expect(parseModelName('openai/gpt-4o')).toEqual({ base: 'openai/gpt-4o', variant: undefined, modifiers: [] });
  });

  it('takes stacked suffixes off in the order they were written', () => {
    expect(parseModelName('a/b:free:online:nitro')).toEqual({ base: 'a/b', variant: 'free', modifiers: ['online', 'nitro'] });
  });

  it('keeps a colon that belongs to the name, and whatever stands before it', () => {
    expect(parseModelName('llama3.2:3b')).toEqual({ base: 'llama3.2:3b', variant: undefined, modifiers: [] });
    expect(parseModelName('llama3.2:3b:floor')).toEqual({ base: 'llama3.2:3b', variant: undefined, modifiers: ['floor'] });
  });

  it('ignores case and surrounding blanks', () => {
    expect(parseModelName('  OpenAI/GPT-4o:FREE ')).toEqual({ base: 'openai/gpt-4o', variant: 'free', modifiers: [] });
  });

  it('takes one static variant only', () => {
    expect(parseModelName('a/b:free:thinking')).toEqual({ base: 'a/b:free', variant: 'thinking', modifiers: [] });
  });
});

describe('publicModelId and modelAuthor', () => {
  it('name what answers', () => {
    expect(publicModelId('a/b', '')).toBe('a/b');
    expect(publicModelId('a/b', 'free')).toBe('a/b:free');
    expect(modelAuthor('~anthropic/claude-latest')).toBe('anthropic');
    expect(modelAuthor('gpt-4o')).toBeUndefined();
  });
});
