import { expect, it } from '@jest/globals';
import type { JsonObject } from '@switchyard/core';
import { requestTo } from './manifest-probe.fake.js';
import type { ProviderManifest } from './provider-manifest.js';

const TOOLS = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }];

function loopWith(thoughts: JsonObject): JsonObject[] {
  return [
    { role: 'user', content: 'Where is it?' },
    { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }], ...thoughts },
    { role: 'tool', tool_call_id: 'call_1', content: 'Here.' },
  ];
}

/** What every provider with the deviation `strictThinking` is asked. */
export function thinksOnlyWhereItMay(manifest: ProviderManifest): void {
  it.each<[string, JsonObject]>([
    ['a forced tool', { tool_choice: 'required' }],
    ['a forced tool of a name', { tool_choice: { type: 'function', function: { name: 'look' } }, reasoning: { effort: 'high' } }],
    ['calls whose thoughts are not given back', { messages: loopWith({}) }],
    ['the same when asked to think', { messages: loopWith({}), reasoning: { effort: 'high' } }],
  ])('does not think beside %s, which it would refuse', (_name, client) => {
    const { body, warnings } = requestTo(manifest, { tools: TOOLS, ...client });
    expect(body).toMatchObject({ thinking: { type: 'disabled' } });
    expect(body).not.toHaveProperty('reasoning_effort');
    expect(warnings).toEqual([expect.stringMatching(/^reasoning: .* switched off\.$/)]);
  });

  it.each<[string, JsonObject]>([
    ['free to choose', { tool_choice: 'auto' }],
    ['told to call none', { tool_choice: 'none' }],
    ['given its thoughts back', { messages: loopWith({ reasoning: 'Hm.' }) }],
    ['told that there were none', { messages: loopWith({ reasoning_details: [] }) }],
  ])('thinks as it likes when %s', (_name, client) => {
    const { body, warnings } = requestTo(manifest, { tools: TOOLS, ...client });
    expect(body).not.toHaveProperty('thinking');
    expect(warnings).toEqual([]);
  });
}
