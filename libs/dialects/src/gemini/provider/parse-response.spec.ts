import { describe, expect, it } from '@jest/globals';
import { chatResultFromJSON, chatStreamChunkFromJSON } from '@openrouter/sdk/models';
import { openaiChatClient } from '../../openai-chat/client/openai-chat-client.js';
import { TranslatedStream } from '../../translated-stream.js';
import { parseGeminiResponse } from './parse-response.js';
import { GeminiStreamParser } from './stream-parser.js';

const IDENTITY = { generationId: 'gen-1', providerName: 'Google', model: 'google/gemini', created: 1 };

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

describe('log probabilities of an answer of Gemini', () => {
  const token = (text: string, logProbability: number) => ({ token: text, tokenId: 7, logProbability });
  const candidate = (text: string, logProbability: number, fields: object = {}) => ({
    candidates: [
      {
        content: { parts: [{ text }] },
        logprobsResult: {
          chosenCandidates: [token(text, logProbability)],
          topCandidates: [{ candidates: [token(text, logProbability), token('other', -9)] }],
        },
        ...fields,
      },
    ],
  });
  const told = (text: string, logprob: number) => ({
    token: text,
    logprob,
    bytes: null,
    top_logprobs: [
      { token: text, logprob, bytes: null },
      { token: 'other', logprob: -9, bytes: null },
    ],
  });

  it('are told in the words of OpenAI', () => {
    const text = openaiChatClient.renderChatResponse(parseGeminiResponse(candidate('Hi', -0.25, { finishReason: 'STOP' })), IDENTITY);
    expect(JSON.parse(text)).toMatchObject({ choices: [{ logprobs: { content: [told('Hi', -0.25)], refusal: null } }] });
    expect(chatResultFromJSON(text)).toMatchObject({ ok: true });
  });

  it('are told with the pieces of a stream, signed ones too, and once each', () => {
    const stream = new TranslatedStream(new GeminiStreamParser(), openaiChatClient.createStreamRenderer(IDENTITY, 'chat'), false);
    const signed = { content: { parts: [{ text: '!', thoughtSignature: 'S' }, { text: '?' }] }, finishReason: 'STOP' };
    const events = [candidate('Hi', -0.25), candidate('!', -0.5, signed)];
    const { bytes } = stream.push(Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')));
    const chunks = [...bytes.matchAll(/^data: (.*)$/gm)].map((match) => match[1]!);
    for (const chunk of chunks) expect(chatStreamChunkFromJSON(chunk)).toMatchObject({ ok: true });
    const logprobs = chunks.map((chunk) => (JSON.parse(chunk) as { choices: [{ logprobs: unknown }] }).choices[0].logprobs);
    expect(logprobs).toEqual([{ content: [told('Hi', -0.25)], refusal: null }, { content: [told('!', -0.5)], refusal: null }, null, null]);
  });

  it('are null where none were asked for', () => {
    expect(parseGeminiResponse({ candidates: [{ content: { parts: [{ text: 'Hi' }] }, finishReason: 'STOP' }] }).logprobs).toBeUndefined();
  });
});
