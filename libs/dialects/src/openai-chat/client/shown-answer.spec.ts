import { describe, expect, it } from '@jest/globals';
import type { CanonicalChatChunk, MessagePart } from '@switchyard/core';
import { openaiChatClient } from './openai-chat-client.js';

const IDENTITY = { generationId: 'gen-1', model: 'acme/writer', providerName: 'Alpha', created: 1 };
const PARTS: readonly MessagePart[] = [
  { kind: 'reasoning', variant: 'text', text: 'hm' },
  { kind: 'text', text: 'Hello you' },
  { kind: 'tool-call', id: 'call-1', name: 'weather', arguments: '{"city":"Paris"}' },
  { kind: 'tool-call', id: 'call-2', name: 'time', arguments: '{}' },
  { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
];
const CHUNKS: readonly CanonicalChatChunk[] = [
  { type: 'reasoning-delta', index: 0, part: { kind: 'reasoning', variant: 'text', text: 'hm' } },
  { type: 'text-delta', text: 'Hello ' },
  { type: 'text-delta', text: 'you' },
  { type: 'tool-call-start', index: 0, id: 'call-1', name: 'weather' },
  { type: 'tool-call-delta', index: 0, arguments: '{"city":' },
  { type: 'tool-call-delta', index: 0, arguments: '"Paris"}' },
  { type: 'tool-call-start', index: 1, id: 'call-2', name: 'time' },
  { type: 'tool-call-delta', index: 1, arguments: '{}' },
  { type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
  { type: 'finish', finishReason: 'tool_calls', nativeFinishReason: 'tool_use' },
];
const WHOLE = {
  reasoning: 'hm',
  text: 'Hello you',
  refusal: '',
  toolCalls: [
    { id: 'call-1', name: 'weather', arguments: '{"city":"Paris"}' },
    { id: 'call-2', name: 'time', arguments: '{}' },
  ],
  media: [{ modality: 'image', mediaType: 'image/png', sizeBytes: 3 }],
  finishReason: 'tool_calls',
};
const RESPONSE = { parts: PARTS, finishReason: 'tool_calls', nativeFinishReason: null } as const;

describe('an answer as its client is shown it', () => {
  it('is put together from the chunks of a stream', () => {
    const shown = openaiChatClient.createShownAnswer(1_000);
    const renderer = openaiChatClient.createStreamRenderer(IDENTITY, 'chat');
    for (const chunk of CHUNKS) shown.addEvents(renderer.render(chunk));
    shown.addEvents(`${openaiChatClient.keepAliveComment}${openaiChatClient.streamEnd}`);
    expect(shown.choices).toEqual([WHOLE]);
  });

  it('is read from a whole one', () => {
    const shown = openaiChatClient.createShownAnswer(1_000);
    shown.addWhole(Buffer.from(openaiChatClient.renderChatResponse(RESPONSE, IDENTITY)));
    expect(shown.choices).toEqual([WHOLE]);
  });

  it('is read from legacy completions, streamed and whole', () => {
    const [streamed, whole] = [openaiChatClient.createShownAnswer(1_000), openaiChatClient.createShownAnswer(1_000)];
    const renderer = openaiChatClient.createStreamRenderer(IDENTITY, 'completions');
    for (const chunk of CHUNKS) streamed.addEvents(renderer.render(chunk));
    whole.addWhole(Buffer.from(openaiChatClient.renderCompletionResponse(RESPONSE, IDENTITY)));
    for (const { choices } of [streamed, whole]) expect(choices).toMatchObject([{ reasoning: 'hm', text: 'Hello you', finishReason: 'tool_calls' }]);
  });

  it('keeps several choices apart', () => {
    const shown = openaiChatClient.createShownAnswer(1_000);
    const piece = (index: number, content: string) => `data: ${JSON.stringify({ choices: [{ index, delta: { content } }] })}\n\n`;
    shown.addEvents(piece(1, 'b') + piece(0, 'a'));
    shown.addEvents(piece(0, 'A') + piece(1, 'B'));
    expect(shown.choices.map(({ text }) => text)).toEqual(['aA', 'bB']);
  });

  it('keeps no more of a text than it is told to', () => {
    const shown = openaiChatClient.createShownAnswer(5);
    const renderer = openaiChatClient.createStreamRenderer(IDENTITY, 'chat');
    for (const chunk of CHUNKS) shown.addEvents(renderer.render(chunk));
    expect(shown.choices).toMatchObject([{ text: 'Hello', toolCalls: [{ arguments: '{"cit' }, { arguments: '{}' }], finishReason: 'tool_calls' }]);
  });

  it('has no use for what is no answer', () => {
    const shown = openaiChatClient.createShownAnswer(5);
    shown.addWhole(Buffer.from('[1]'));
    shown.addEvents('data: {"choices":[1,{"index":7},{"delta":{"tool_calls":[{"index":-1},{"index":99}]}}]}\n\ndata: {"cho\n\n');
    expect(shown.choices.map(({ toolCalls }) => toolCalls)).toEqual([[], []]);
  });
});
