import { describe, expect, it } from '@jest/globals';
import { judgeStream, judgeWhole } from './answer.js';

const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const usage = `data: ${JSON.stringify({ choices: [{ delta: {} }], usage: { cost: 0.5 } })}\n\n`;
const done = 'data: [DONE]\n\n';
const body = (content: string) => JSON.stringify({ choices: [{ message: { content } }], usage: { cost: 0.25 } });

describe('what a client calls whole', () => {
  it('is a stream with every byte and its end', () => {
    expect(judgeStream(`: comment\n\n${chunk('one ')}${chunk('two')}${usage}${done}`, 'one two')).toEqual({ outcome: 'whole', costUsd: 0.5 });
  });

  it.each([
    ['that ends without its terminator', `${chunk('one ')}${chunk('two')}${usage}`, 'cut_clean'],
    ['that is empty', '', 'cut_clean'],
    ['that ends in mid-chunk', `${chunk('one ')}data: {"choi`, 'cut_clean'],
    ['that lacks a piece', `${chunk('one ')}${usage}${done}`, 'wrong_text'],
    ['that has a piece twice', `${chunk('one ')}${chunk('one ')}${chunk('two')}${done}`, 'wrong_text'],
    ['that ends in a typed error', `${chunk('one ')}data: ${JSON.stringify({ error: { code: 502, message: 'x' } })}\n\n`, 'typed_error'],
    ['that ends in a typed error and the terminator', `data: ${JSON.stringify({ error: { code: 502 } })}\n\n${done}`, 'typed_error'],
  ])('is no stream %s', (_how, text, outcome) => {
    expect(judgeStream(text, 'one two').outcome).toBe(outcome);
  });

  it('is a body with the text and the cost', () => {
    expect(judgeWhole(200, body('one'), 'one')).toEqual({ outcome: 'whole', costUsd: 0.25 });
    expect(judgeWhole(200, body('on'), 'one').outcome).toBe('wrong_text');
    expect(judgeWhole(200, body('one').slice(0, -3), 'one').outcome).toBe('cut_clean');
  });

  it('is no refusal; one says what is wrong', () => {
    const refusal = JSON.stringify({ error: { code: 503, message: 'later', metadata: { error_type: 'gateway_unavailable' } } });
    expect(judgeWhole(503, refusal, 'one')).toEqual({ outcome: 'refused', detail: '503 gateway_unavailable' });
    expect(judgeWhole(502, '<html>', 'one').outcome).toBe('cut_clean');
    expect(judgeWhole(502, '{}', 'one').outcome).toBe('cut_clean');
  });
});
