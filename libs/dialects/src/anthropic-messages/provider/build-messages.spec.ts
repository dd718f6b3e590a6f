import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@switchyard/core';
import { openaiChatClient } from '../../openai-chat/client/openai-chat-client.js';
import { buildConversation, type AnthropicConversation } from './build-messages.js';

const messages = [{ role: 'user', content: 'Hello' }];

function build(conversation: JsonObject[]): AnthropicConversation {
  return buildConversation(openaiChatClient.parseChatRequest({ messages: conversation }).messages, undefined, []);
}

describe('a conversation for Anthropic', () => {
  it('sends no text of white space alone, which the API refuses, and leaves the white space of other texts as it is', () => {
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } };
    const built = build([
      { role: 'system', content: ' \n' },
      {
        role: 'user',
        content: [
          { type: 'text', text: '\n' },
          { type: 'text', text: '\n Hello \n' },
        ],
      },
      { role: 'assistant', content: '\n\n', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'a', content: ' ' },
      { role: 'user', content: '\t', name: 'Ada' },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'So: ' },
          { type: 'text', text: '\n' },
        ],
      },
    ]);
    expect(built.system).toEqual([]);
    expect(built.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: '\n Hello \n' }] },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'f', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a' }] },
      { role: 'assistant', content: [{ type: 'text', text: 'So:' }] },
    ]);
  });

  it.each(['', '\n'])('keeps the turn of a user who said %j, so that the answer before it is not continued', (content) => {
    const built = build([...messages, { role: 'assistant', content: 'Hi' }, { role: 'user', content }]);
    expect(built.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
      { role: 'assistant', content: [{ type: 'text', text: 'Hi' }] },
      { role: 'user', content: [{ type: 'text', text: '(empty)' }] },
    ]);
  });

  it('leaves out an answer of white space alone, and sends something visible when nothing at all was said', () => {
    expect(build([...messages, { role: 'assistant', content: '\n' }, ...messages]).messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hello' },
          { type: 'text', text: 'Hello' },
        ],
      },
    ]);
    expect(build([{ role: 'user', content: '\n' }]).messages).toEqual([{ role: 'user', content: [{ type: 'text', text: '(empty)' }] }]);
    const instructed = build([
      { role: 'system', content: 'Greet' },
      { role: 'user', content: ' ' },
    ]);
    expect(instructed.messages).toEqual([{ role: 'user', content: [{ type: 'text', text: 'Greet' }] }]);
  });

  it.each(['image/jpg', 'image/pjpeg', 'Image/JPG;charset=binary'])('names a picture of type %s image/jpeg, whether a picture or a file', (type) => {
    const url = `data:${type};base64,AAAA`;
    const content = [
      { type: 'image_url', image_url: { url } },
      { type: 'file', file: { file_data: url } },
    ];
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data: 'AAAA' } };
    expect(build([{ role: 'user', content }]).messages).toEqual([{ role: 'user', content: [image, image] }]);
  });
});
