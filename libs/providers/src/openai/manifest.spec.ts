import { describe, expect, it } from '@jest/globals';
import { EVERY_PARAMETER, requestTo } from '../manifest-probe.fake.js';
import { openaiManifest } from './manifest.js';

describe('OpenAI', () => {
  it('is told the output cap as `max_completion_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(openaiManifest, client);
      expect(body).toMatchObject({ max_completion_tokens: 50 });
      expect(body).not.toHaveProperty('max_tokens');
    }
  });

  it('drops sampling parameters of open-weight servers, and says so', () => {
    const { body, warnings } = requestTo(openaiManifest, EVERY_PARAMETER);
    for (const name of ['top_k', 'top_a', 'min_p', 'repetition_penalty']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('is asked for reasoning by effort', () => {
    expect(requestTo(openaiManifest, { reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(openaiManifest, { reasoning: { effort: 'low' } }).body).toMatchObject({ reasoning_effort: 'low' });
    expect(requestTo(openaiManifest, { reasoning: { effort: 'none' } }).body).toMatchObject({ reasoning_effort: 'none' });
  });

  it('takes tools of some models only without reasoning, which is said', () => {
    const tools = [{ type: 'function', function: { name: 'look' } }];
    const traits = { tools_without_reasoning: 'true', reasoning_efforts: 'none,low,medium,high' };
    for (const reasoning of [undefined, { effort: 'high' }]) {
      const { body, warnings } = requestTo(openaiManifest, { tools, reasoning }, { traits });
      expect(body).toMatchObject({ tools, reasoning_effort: 'none' });
      expect(warnings).toEqual([expect.stringContaining('reasoning:')]);
    }
    expect(requestTo(openaiManifest, { tools, reasoning: { effort: 'none' } }, { traits })).toMatchObject({ body: { reasoning_effort: 'none' }, warnings: [] });
    expect(requestTo(openaiManifest, { reasoning: { effort: 'high' } }, { traits }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(openaiManifest, { tools, reasoning: { effort: 'high' } }).body).toMatchObject({ reasoning_effort: 'high' });
  });

  it('never sees ids of calls longer than it takes', () => {
    const id = `chatcmpl-tool-${'0'.repeat(32)}`;
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: null, tool_calls: [{ id, type: 'function', function: { name: 'look', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: id, content: 'Here.' },
    ];
    expect(JSON.stringify(requestTo(openaiManifest, { messages }).body)).not.toContain(id);
  });

  it('is asked for usage in streams', () => {
    expect(requestTo(openaiManifest, {}, { stream: true }).body).toMatchObject({ stream_options: { include_usage: true } });
  });

  it('keeps developer messages and names', () => {
    const messages = [
      { role: 'developer', content: 'Be brief.' },
      { role: 'user', name: 'Ann', content: 'Hi' },
    ];
    expect(requestTo(openaiManifest, { messages }).body['messages']).toEqual(messages);
  });
});
