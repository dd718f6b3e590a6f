import { describe, expect, it } from '@jest/globals';
import { asObjects, type JsonObject, type JsonValue } from '@switchyard/core';
import { openaiChatClient } from '../../openai-chat/client/openai-chat-client.js';
import { buildConversation, type AnthropicConversation } from './build-messages.js';

const messages = [{ role: 'user', content: 'Hello' }];

function build(conversation: JsonObject[]): AnthropicConversation {
  return buildConversation(openaiChatClient.parseChatRequest({ messages: conversation }).messages, undefined, []);
}

/** A turn that calls the tool with each of these ids, and their results, which say which call they are of. */
function turnOf(...ids: string[]): JsonObject[] {
  return [
    { role: 'assistant', content: null, tool_calls: ids.map((id, index) => ({ id, type: 'function', function: { name: 'f', arguments: `{"n":${index}}` } })) },
    ...ids.map((id, index) => ({ role: 'tool', tool_call_id: id, content: String(index) })),
  ];
}

function idsOf(built: AnthropicConversation): { calls: JsonValue[]; results: JsonValue[] } {
  const blocks = built.messages.flatMap((message) => asObjects(message['content']));
  return {
    calls: blocks.filter((block) => block['type'] === 'tool_use').map((block) => block['id']!),
    results: blocks.filter((block) => block['type'] === 'tool_result').map((block) => block['tool_use_id']!),
  };
}

describe('a conversation for Anthropic', () => {
  it.each([
    ['of two turns', [turnOf('call_0', 'call_1'), turnOf('call_0')], ['call_0', 'call_1', 'call_0_2']],
    ['of three turns', [turnOf('call_0'), turnOf('call_0'), turnOf('call_0')], ['call_0', 'call_0_2', 'call_0_3']],
    ['of one turn', [turnOf('a', 'a')], ['a', 'a_2']],
    ['that its letters allow', [turnOf('f:0', 'f.0')], ['f_0', 'f_0_2']],
    ['that are empty', [turnOf(''), turnOf('')], ['call', 'call_2']],
    ['that the number made', [turnOf('a', 'a_2'), turnOf('a')], ['a', 'a_2', 'a_3']],
    ['that differ', [turnOf('a', 'b'), turnOf('c')], ['a', 'b', 'c']],
  ])('has no id twice, which the API refuses: ids %s', (_name, turns, ids) => {
    const built = build([{ role: 'user', content: 'Hi' }, ...turns.flat()]);
    expect(idsOf(built)).toEqual({ calls: ids, results: ids });
  });

  it('begins a turn with the results of tools, which the API wants before any text', () => {
    const [call, ...results] = turnOf('a', 'b');
    const built = build([{ role: 'user', content: 'Hi' }, call!, { role: 'user', content: 'Meanwhile' }, ...results]);
    expect(asObjects(built.messages.at(-1)!['content']).map((block) => block['type'])).toEqual(['tool_result', 'tool_result', 'text']);
  });

  it('gives a result to the call of its own turn, though one of the same id before it has none', () => {
    const [unanswered] = turnOf('a');
    const built = build([{ role: 'user', content: 'Hi' }, unanswered!, { role: 'user', content: 'Well?' }, ...turnOf('a')]);
    expect(idsOf(built)).toEqual({ calls: ['a', 'a_2'], results: ['a_2'] });
  });

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

  describe('with thinking of earlier answers', () => {
    const format = 'anthropic-claude-v1';
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } };
    const toolUse = { type: 'tool_use', id: 'a', name: 'f', input: {} };
    const answer = (details: JsonObject[]) =>
      build([
        ...messages,
        { role: 'assistant', content: null, reasoning_details: details, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'a', content: '1' },
      ]).messages[1]?.['content'];

    it('joins the pieces of a stream that a client gives back as they came: the signature holds for the whole text alone', () => {
      const pieces = [
        { type: 'reasoning.text', text: 'Let', format, index: 0 },
        { type: 'reasoning.text', text: ' me see.', format, index: 0 },
        { type: 'reasoning.text', signature: 'one==', format, index: 0 },
        { type: 'reasoning.encrypted', data: 'hidden', format, index: 1 },
        { type: 'reasoning.text', text: 'Next', signature: null, format, index: 2 },
        { type: 'reasoning.text', signature: 'two==', format, index: 2 },
      ];
      expect(answer(pieces)).toEqual([
        { type: 'thinking', thinking: 'Let me see.', signature: 'one==' },
        { type: 'redacted_thinking', data: 'hidden' },
        { type: 'thinking', thinking: 'Next', signature: 'two==' },
        toolUse,
      ]);
    });

    it('keeps two whole texts apart though both have the same index, or none', () => {
      const whole = (text: string) => ({ type: 'reasoning.text', text, signature: `${text}==`, format });
      const both = [{ type: 'thinking', thinking: 'A', signature: 'A==' }, { type: 'thinking', thinking: 'B', signature: 'B==' }, toolUse];
      expect(answer([whole('A'), whole('B')])).toEqual(both);
      expect(
        answer([
          { ...whole('A'), index: 0 },
          { ...whole('B'), index: 0 },
        ]),
      ).toEqual(both);
    });

    it('knows the format again that OpenAI’s client for Python joined out of all pieces', () => {
      const joined = { type: 'reasoning.text', text: 'Let me see.', signature: 'one==', format: format.repeat(3), index: 0 };
      expect(answer([joined])).toEqual([{ type: 'thinking', thinking: 'Let me see.', signature: 'one==' }, toolUse]);
    });
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
