import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@switchyard/core';
import { openaiChatClient } from '../../openai-chat/client/openai-chat-client.js';
import { TranslatedStream } from '../../translated-stream.js';
import { buildContents } from './build-contents.js';
import { parseGeminiResponse } from './parse-response.js';
import { GeminiStreamParser } from './stream-parser.js';

const IDENTITY = { generationId: 'gen-1', providerName: 'Google', model: 'google/gemini-3-pro-image', created: 1 };
const picture = (data: string, thoughtSignature: string) => ({ inlineData: { mimeType: 'image/png', data }, thoughtSignature });
const PARTS = [{ text: 'Two of them:', thoughtSignature: 'TEXT' }, picture('AAAA', 'FIRST'), picture('BBBB', 'SECOND')];

/** What the model would be told of its own answer in the next round. */
function replayed(message: JsonObject): unknown {
  const { messages } = openaiChatClient.parseChatRequest({ messages: [message, { role: 'user', content: 'Bluer, please.' }] });
  return buildContents(messages, { media: undefined, demandsSignatures: true, takesResultMedia: true, warnings: [] }).contents[0];
}

/** As clients put the deltas of a stream together. */
function assemble(stream: string): JsonObject {
  const message = { role: 'assistant', content: '', images: [] as JsonObject[], reasoning_details: [] as JsonObject[] };
  for (const line of stream.split('\n').filter((text) => text.startsWith('data: {'))) {
    const { delta } = (JSON.parse(line.slice(6)) as { choices: [{ delta: Partial<typeof message> }] }).choices[0];
    message.content += delta.content ?? '';
    for (const image of delta.images ?? []) message.images[image['index'] as number] = image;
    message.reasoning_details.push(...(delta.reasoning_details ?? []));
  }
  return message;
}

describe('signatures of what Gemini writes and draws', () => {
  const candidate = { content: { role: 'model', parts: PARTS }, finishReason: 'STOP' };

  it('come back on what they belong to, of a whole answer', () => {
    const answer = openaiChatClient.renderChatResponse(parseGeminiResponse({ candidates: [candidate] }), IDENTITY);
    const { message } = (JSON.parse(answer) as { choices: [{ message: JsonObject }] }).choices[0];
    expect(replayed(message)).toEqual({ role: 'model', parts: PARTS });
  });

  it('come back on what they belong to, of a stream', () => {
    const stream = new TranslatedStream(new GeminiStreamParser(), openaiChatClient.createStreamRenderer(IDENTITY, 'chat'), false);
    const { bytes } = stream.push(Buffer.from(`data: ${JSON.stringify({ candidates: [candidate] })}\n\n`));
    expect(replayed(assemble(bytes.toString()))).toEqual({ role: 'model', parts: PARTS });
  });

  it('of a picture alone leave its text as it was', () => {
    const detail = { type: 'reasoning.encrypted', data: 'SECOND', id: 'image_1', format: 'google-gemini-v1', index: 0 };
    const images = ['AAAA', 'BBBB'].map((data) => ({ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }));
    expect(replayed({ role: 'assistant', content: 'Two of them:', images, reasoning_details: [detail] })).toEqual({
      role: 'model',
      parts: [{ text: 'Two of them:' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }, picture('BBBB', 'SECOND')],
    });
  });
});
