import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@switchyard/core';
import fc from 'fast-check';
import type { EndpointFacts, OpenaiChatDeviations } from '../../dialect-manifest.js';
import { editAroundMessages, editRequest } from './edit-request.js';
import { joinMessages, splitMessages } from './message-bytes.js';

const ENDPOINT: EndpointFacts = { providerModelId: 'their-model', supportedParameters: [], traits: {}, inputModalities: [] };
const LONG = 'A "long" text\n'.repeat(400);

const content = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.array(fc.record({ type: fc.constant('text'), text: fc.string(), cache_control: fc.constant({ type: 'ephemeral' }) }, { requiredKeys: ['type', 'text'] })),
);
const message = fc.record(
  {
    role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool'),
    content,
    name: fc.string({ minLength: 1 }),
    reasoning: fc.string(),
    tool_call_id: fc.oneof(fc.string(), fc.constantFrom('i'.repeat(40), 'i'.repeat(41))),
    tool_calls: fc.constant([{ id: 'call_with_a_long_id', type: 'function', function: { name: 'look', arguments: '{"at":"\\"it\\""}' } }]),
    annotations: fc.constant([]),
    own_field: fc.jsonValue(),
    refusal: fc.constantFrom(null, 'No.'),
    tool_choice: fc.constant(null),
  },
  { requiredKeys: ['role', 'content'] },
);
const body = fc.record(
  {
    model: fc.constant('author/slug'),
    messages: fc.array(message, { maxLength: 4 }).map((messages) => [{ role: 'user', content: LONG }, ...messages]),
    temperature: fc.constant(0.5),
    stop: fc.constant(['"messages":[]']),
    response_format: fc.constant({ type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' } } }),
    cache_control: fc.constant({ type: 'ephemeral' }),
  },
  { requiredKeys: ['messages'] },
);
const deviations: fc.Arbitrary<OpenaiChatDeviations> = fc.record(
  {
    developerRole: fc.constantFrom('keep' as const, 'system' as const),
    nameField: fc.constantFrom('keep' as const, 'prefix' as const),
    prefill: fc.constantFrom('prefix' as const, 'partial' as const, 'continue-final-message' as const),
    cacheControl: fc.constantFrom('strip' as const, 'keep' as const),
    toolCallIds: fc.constantFrom('any' as const, 'nine-alphanumerics' as const, 'up-to-forty' as const),
    reasoningHistory: fc.constantFrom('drop' as const, 'reasoning_content' as const, 'thinking-parts' as const),
    structuredOutput: fc.constantFrom('json_object' as const, 'json_schema' as const),
    reasoningStyle: fc.constant('thinking-type' as const),
    strictThinking: fc.boolean(),
  },
  { requiredKeys: [] },
);

function edited(source: string, deviation: OpenaiChatDeviations): JsonObject | undefined {
  const split = splitMessages(Buffer.from(source));
  const around = split && editAroundMessages(split, ENDPOINT, deviation, { stream: false });
  if (!around) return undefined;
  return JSON.parse(joinMessages(around.body, around.messages!)) as JsonObject;
}

function parsedAndEdited(source: string, deviation: OpenaiChatDeviations): JsonObject {
  return JSON.parse(JSON.stringify(editRequest(JSON.parse(source) as JsonObject, ENDPOINT, deviation, { stream: false }).body)) as JsonObject;
}

describe('messages passed on as bytes', () => {
  it('are what reading and editing them would have sent', () => {
    let passedOnCount = 0;
    fc.assert(
      fc.property(body, deviations, fc.constantFrom(undefined, 2), (request, deviation, indent) => {
        const source = JSON.stringify(request, null, indent);
        const result = edited(source, deviation);
        if (!result) return;
        passedOnCount++;
        expect(result).toEqual(parsedAndEdited(source, deviation));
      }),
      { numRuns: 500 },
    );
    expect(passedOnCount).toBeGreaterThan(0);
  });

  it.each(['name', 'tool_calls', 'tool_call_id', 'own_field'])('are read where a %s is null, which strict providers refuse', (field) => {
    const source = JSON.stringify({ messages: [{ role: 'user', content: LONG, [field]: null }] });
    const exchanged = edited(source, { nameField: 'keep' }) ?? parsedAndEdited(source, { nameField: 'keep' });
    expect(exchanged['messages']).toEqual([{ role: 'user', content: LONG }]);
  });

  it('stay bytes where only a content is null', () => {
    const call = { id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } };
    const messages = [
      { role: 'user', content: LONG },
      { role: 'assistant', content: null, tool_calls: [call] },
    ];
    expect(edited(JSON.stringify({ messages }), {})?.['messages']).toEqual(messages);
  });

  it('keep the client’s own spelling of numbers and texts', () => {
    const source = `{ "messages": [ {"role":"user","content":"${'x'.repeat(5000)} \\/ \\u00e9","cost":1.0e0} ], "model": "a/b" }`;
    const split = splitMessages(Buffer.from(source))!;
    const around = editAroundMessages(split, ENDPOINT, {}, { stream: false })!;
    expect(joinMessages(around.body, around.messages!)).toBe(
      `{"messages":[ {"role":"user","content":"${'x'.repeat(5000)} \\/ \\u00e9","cost":1.0e0} ],"model":"their-model"}`,
    );
  });

  it.each([
    ['a field that is spelled with escapes', `{"messages":[{"role":"user","content":"${LONG.length}","c\\u0061che_control":{}}],"x":"${'y'.repeat(5000)}"}`],
    ['messages under an escaped name', `{"m\\u0065ssages":[{"role":"user","content":"a"}],"x":"${'y'.repeat(5000)}"}`],
    ['messages that are there twice', `{"messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"}],"x":"${'y'.repeat(5000)}"}`],
    ['no messages', `{"prompt":"${'y'.repeat(5000)}"}`],
    ['a short body', '{"messages":[{"role":"user","content":"a"}]}'],
  ])('are read where there is %s', (_, source) => {
    expect(splitMessages(Buffer.from(source))).toBeUndefined();
  });

  it('are read where their bytes are no UTF-8', () => {
    const source = Buffer.concat([Buffer.from('{"messages":[{"role":"user","content":"'), Buffer.alloc(5000, 0xff), Buffer.from('"}]}')]);
    expect(splitMessages(source)).toBeUndefined();
  });
});
