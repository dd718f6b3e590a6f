import { describe, expect, it } from '@jest/globals';
import { parseGeminiResponse } from './parse-response.js';

const sound = (text: string) => ({ inlineData: { mimeType: 'audio/L16;codec=pcm;rate=24000', data: Buffer.from(text).toString('base64') } });

describe('a whole answer of Gemini that speaks', () => {
  const parse = (parts: object[]) => parseGeminiResponse({ candidates: [{ content: { parts: parts as never }, finishReason: 'STOP' }] });

  it('has its sound as one, however many pieces it came in', () => {
    const { audio, parts } = parse([{ text: 'Hello' }, sound('he'), sound('llo')]);
    expect(Buffer.from(String(audio?.['data']), 'base64').toString()).toBe('hello');
    expect(parts).toMatchObject([{ kind: 'text', text: 'Hello' }]);
  });

  it('has none where none came', () => {
    expect(parse([{ text: 'Hello' }]).audio).toBeUndefined();
  });
});
