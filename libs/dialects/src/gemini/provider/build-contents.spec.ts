import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@switchyard/core';
import { openaiChatClient } from '../../openai-chat/client/openai-chat-client.js';
import type { FetchedMedia } from '../../provider-dialect.js';
import { buildContents } from './build-contents.js';

function contentsOf(messages: JsonObject[], media?: ReadonlyMap<string, FetchedMedia>, takesResultMedia = true): JsonObject[] {
  return buildContents(openaiChatClient.parseChatRequest({ messages }).messages, { media, demandsSignatures: false, takesResultMedia, warnings: [] }).contents;
}

function calling(...calls: (readonly [id: string, city: string])[]): JsonObject {
  return {
    role: 'assistant',
    content: null,
    tool_calls: calls.map(([id, city]) => ({ id, type: 'function', function: { name: 'weather', arguments: JSON.stringify({ city }) } })),
  };
}

const result = (id: string, content: string): JsonObject => ({ role: 'tool', tool_call_id: id, content });

/** What the model reads in each turn of results, in its order. */
function outputsOf(contents: JsonObject[]): unknown[][] {
  return contents
    .map((turn) => (turn['parts'] as JsonObject[]).flatMap((part) => (part['functionResponse'] ? [(part['functionResponse'] as JsonObject)['response']] : [])))
    .filter((responses) => responses.length > 0)
    .map((responses) => responses.map((response) => (response as JsonObject)['output']));
}

describe('results of tools for Gemini', () => {
  const question = { role: 'user', content: 'Where does it rain?' };

  it('stand in the order of their calls in every round, not only in the last', () => {
    const contents = contentsOf([
      question,
      calling(['a', 'Rome'], ['b', 'Oslo']),
      result('b', 'rain in Oslo'),
      result('a', 'sun in Rome'),
      calling(['c', 'Bern']),
      result('c', 'snow in Bern'),
    ]);
    expect(outputsOf(contents)).toEqual([['sun in Rome', 'rain in Oslo'], ['snow in Bern']]);
    expect(JSON.stringify(contents)).not.toContain('callId');
  });

  it('follow the calls of their own round when ids come again', () => {
    const contents = contentsOf([
      question,
      calling(['0', 'Rome'], ['1', 'Oslo']),
      result('1', 'rain in Oslo'),
      result('0', 'sun in Rome'),
      calling(['1', 'Bern'], ['0', 'Kyiv']),
      result('0', 'wind in Kyiv'),
      result('1', 'snow in Bern'),
    ]);
    expect(outputsOf(contents)).toEqual([
      ['sun in Rome', 'rain in Oslo'],
      ['snow in Bern', 'wind in Kyiv'],
    ]);
  });

  it('follow all calls of a turn that the client sent as several messages', () => {
    const contents = contentsOf([question, calling(['a', 'Rome']), calling(['b', 'Oslo']), result('b', 'rain in Oslo'), result('a', 'sun in Rome')]);
    expect(outputsOf(contents)).toEqual([['sun in Rome', 'rain in Oslo']]);
  });
});

describe('pictures that tools return', () => {
  const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
  const messages = [
    { role: 'user', content: 'Look.' },
    calling(['a', 'Rome'], ['b', 'Oslo']),
    { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'here' }, picture] },
    result('a', 'sun'),
  ];
  const inlineData = { mimeType: 'image/png', data: 'AAAA' };

  it('are inside of the result where the model reads them there', () => {
    expect(contentsOf(messages)[2]).toEqual({
      role: 'user',
      parts: [
        { functionResponse: { name: 'weather', response: { output: 'sun' } } },
        { functionResponse: { name: 'weather', response: { output: 'here' }, parts: [{ inlineData }] } },
      ],
    });
  });

  it('follow the results in a turn of the user where it refuses them there', () => {
    const contents = contentsOf([...messages, { role: 'user', content: 'Well?' }], undefined, false);
    expect(contents[2]).toEqual({
      role: 'user',
      parts: [
        { functionResponse: { name: 'weather', response: { output: 'sun' } } },
        { functionResponse: { name: 'weather', response: { output: 'here' } } },
        { inlineData },
        { text: 'Well?' },
      ],
    });
    expect(JSON.stringify(contents)).not.toContain('callId');
  });
});

describe('pictures for Gemini', () => {
  it.each(['image/jpg', 'image/pjpeg', 'Image/JPG;charset=binary'])('named %s go as image/jpeg', (type) => {
    const contents = contentsOf([{ role: 'user', content: [{ type: 'image_url', image_url: { url: `data:${type};base64,AAAA` } }] }]);
    expect(contents).toEqual([{ role: 'user', parts: [{ inlineData: { mimeType: 'image/jpeg', data: 'AAAA' } }] }]);
  });
});
