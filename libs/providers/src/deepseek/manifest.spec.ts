import { describe, expect, it } from '@jest/globals';
import { answerOf, EVERY_PARAMETER, requestTo } from '../manifest-probe.fake.js';
import { thinksOnlyWhereItMay } from '../strict-thinking.fake.js';
import { deepseekManifest } from './manifest.js';

describe('DeepSeek', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(deepseekManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('is asked for reasoning by the type of thinking', () => {
    expect(requestTo(deepseekManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ thinking: { type: 'enabled' } });
    expect(requestTo(deepseekManifest, { reasoning: { enabled: false } }).body).toMatchObject({ thinking: { type: 'disabled' } });
  });

  it.each([
    ['low', 'low'],
    ['medium', 'high'],
    ['xhigh', 'max'],
  ])('is told the effort beside it: %s', (effort, theirs) => {
    expect(requestTo(deepseekManifest, { reasoning: { effort } }).body).toMatchObject({ thinking: { type: 'enabled' }, reasoning_effort: theirs });
  });

  it('keeps its own effort where the client names none', () => {
    for (const reasoning of [{ enabled: true }, { enabled: false }])
      expect(requestTo(deepseekManifest, { reasoning }).body).not.toHaveProperty('reasoning_effort');
  });

  thinksOnlyWhereItMay(deepseekManifest);

  it('gets its thoughts back', () => {
    const { body } = requestTo(deepseekManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Yes.', reasoning: 'Hm.', reasoning_details: [{ type: 'reasoning.text', text: 'Hm.', index: 0 }] },
        { role: 'user', content: 'Why?' },
      ],
    });
    expect(body['messages']).toMatchObject([{ role: 'user' }, { role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.' }, { role: 'user' }]);
  });

  it('knows JSON mode alone: a schema goes into a system message', () => {
    const { body, warnings } = requestTo(deepseekManifest, {
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object', required: ['colour'] } } },
    });
    expect(body).toMatchObject({ response_format: { type: 'json_object' } });
    expect(JSON.stringify(body['messages'])).toContain('colour');
    expect(warnings.join(' ')).toContain('response_format');
  });

  it('counts its own cache hits', () => {
    const { meters } = answerOf(deepseekManifest, {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 10, completion_tokens: 3, total_tokens: 13, prompt_cache_hit_tokens: 8, prompt_cache_miss_tokens: 2 },
    });
    expect(meters).toEqual({ input_uncached: 2, cache_read: 8, output_text: 3 });
  });

  it('drops what it does not know, and says so', () => {
    const { body, warnings } = requestTo(deepseekManifest, EVERY_PARAMETER);
    for (const name of ['top_k', 'logit_bias', 'parallel_tool_calls']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });
});
