import { describe, expect, it } from '@jest/globals';
import { EVERY_PARAMETER, probe, requestTo, streamOf } from '../manifest-probe.fake.js';
import { mistralManifest } from './manifest.js';

describe('Mistral', () => {
  it('is told the output cap as `max_tokens`', () => {
    for (const client of [{ max_tokens: 50 }, { max_completion_tokens: 50 }]) {
      const { body } = requestTo(mistralManifest, client);
      expect(body).toMatchObject({ max_tokens: 50 });
      expect(body).not.toHaveProperty('max_completion_tokens');
    }
  });

  it('calls the seed `random_seed`', () => {
    const { body } = requestTo(mistralManifest, { seed: 7 });
    expect(body).toMatchObject({ random_seed: 7 });
    expect(body).not.toHaveProperty('seed');
  });

  it('drops extra fields, which it answers with 422', () => {
    const { body, warnings } = requestTo(mistralManifest, EVERY_PARAMETER);
    for (const name of ['logit_bias', 'logprobs', 'top_logprobs', 'top_k', 'min_p', 'user']) {
      expect(body).not.toHaveProperty(name);
      expect(warnings.some((warning) => warning.startsWith(`${name}:`))).toBe(true);
    }
  });

  it('is not asked for usage in streams, and sends it all the same', () => {
    expect(requestTo(mistralManifest, {}, { stream: true }).body).not.toHaveProperty('stream_options');
    const { meters, outcome } = streamOf(mistralManifest, [
      {
        choices: [{ index: 0, delta: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
      },
    ]);
    expect({ meters, outcome }).toEqual({ meters: { input_uncached: 5, output_text: 2 }, outcome: 'finished' });
  });

  it('is asked for reasoning by one of its two efforts: the prompt mode is refused by every model', () => {
    expect(requestTo(mistralManifest, { reasoning: { effort: 'low' } }).body).toMatchObject({ reasoning_effort: 'high' });
    expect(requestTo(mistralManifest, { reasoning: { enabled: false } }).body).toMatchObject({ reasoning_effort: 'none' });
    expect(requestTo(mistralManifest, { reasoning: { enabled: true } }).body).not.toHaveProperty('prompt_mode');
  });

  it('says what it refuses', () => {
    const problem = { type: 'extra_forbidden', loc: ['body', 'foo'], msg: 'Extra inputs are not permitted', input: 1 };
    const body = { object: 'error', message: { detail: [problem] }, type: 'invalid_request_error', param: null, code: null };
    expect(probe(mistralManifest).readError(422, {}, Buffer.from(JSON.stringify(body)), 0)).toMatchObject({
      errorType: 'unprocessable',
      message: 'Extra inputs are not permitted (body.foo)',
    });
  });

  it('gets tool call ids of nine letters and digits, the same for call and result', () => {
    const { body } = requestTo(mistralManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: null, tool_calls: [{ id: 'call_with-a-long-id', type: 'function', function: { name: 'look', arguments: '{}' } }] },
        { role: 'tool', tool_call_id: 'call_with-a-long-id', content: 'ok' },
      ],
    });
    const ids = [...JSON.stringify(body['messages']).matchAll(/"(?:id|tool_call_id)":"([^"]*)"/g)].map((match) => match[1]);
    expect(ids[0]).toMatch(/^[A-Za-z0-9]{9}$/);
    expect(ids).toEqual([ids[0], ids[0]]);
  });

  it('gets its thoughts back as parts of the content', () => {
    const { body } = requestTo(mistralManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Yes.', reasoning: 'Hm.', reasoning_details: [{ type: 'reasoning.text', text: 'Hm.', index: 0 }] },
        { role: 'user', content: 'Why?' },
      ],
    });
    expect(body['messages']).toMatchObject([
      { role: 'user' },
      { role: 'assistant', content: [{ type: 'thinking' }, { type: 'text', text: 'Yes.' }] },
      { role: 'user' },
    ]);
  });

  it('continues a trailing assistant message that is marked as a prefix', () => {
    const { body } = requestTo(mistralManifest, {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Well,' },
      ],
    });
    expect(body).toMatchObject({ messages: [{ role: 'user' }, { role: 'assistant', content: 'Well,', prefix: true }] });
  });
});
