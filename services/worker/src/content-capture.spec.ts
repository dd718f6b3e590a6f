import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@switchyard/config';
import { worker } from '@switchyard/proto';
import { tracingConfig } from '@switchyard/telemetry';
import { beginContentCapture } from './content-capture.js';

const BODY = { messages: [{ role: 'user', content: 'a question' }] };
const start = (fields: Partial<worker.StartFrame>) =>
  worker.StartFrame.fromPartial({ apiType: 'chat', clientDialect: 'openai-chat', captureContent: true, body: Buffer.from(JSON.stringify(BODY)), ...fields });
const begin = (allowed: string, fields: Partial<worker.StartFrame> = {}) =>
  beginContentCapture(loadConfig(tracingConfig, { SWITCHYARD_TRACE_CONTENT: allowed }), start(fields));
const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;

describe('content of an attempt', () => {
  it.each([
    ['false', false, 'chat', false],
    ['true', false, 'chat', false],
    ['false', true, 'chat', false],
    ['true', true, 'chat', true],
    ['true', true, 'completions', true],
    ['true', true, 'embeddings', false],
  ])('is captured where the deployment (%s) and the key (%s) say so, of %s: %s', (allowed, captureContent, apiType, isCaptured) => {
    expect(begin(allowed, { captureContent, apiType }) !== undefined).toBe(isCaptured);
  });

  it('loses the operator’s credential, though it came in pieces', () => {
    const capture = begin('true')!;
    for (const piece of ['my key is sk-oper', 'ator-secret', '-1.']) capture.addEvents(chunk(piece));
    expect(JSON.parse(String(capture.content('sk-operator-secret-1').attributes['gen_ai.output.messages']))).toEqual([
      { role: 'assistant', parts: [{ type: 'text', content: 'my key is [redacted].' }], finish_reason: 'error' },
    ]);
  });

  it('is as much of a legacy completion as it has: its prompt', () => {
    const capture = begin('true', { apiType: 'completions', body: Buffer.from('{"prompt":"once upon a time"}') })!;
    expect(capture.content(undefined).attributes).toMatchObject({
      'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"once upon a time"}]}]',
    });
  });

  it('is the answer alone where the request cannot be read', () => {
    const capture = begin('true', { body: Buffer.from('{"messages":[{"role":"nobody"}]}') })!;
    capture.addEvents(chunk('an answer'));
    expect(capture.content(undefined).attributes).toEqual({
      'gen_ai.output.messages': '[{"role":"assistant","parts":[{"type":"text","content":"an answer"}],"finish_reason":"error"}]',
      'switchyard.content.cut': ['gen_ai.input.messages'],
    });
  });
});
