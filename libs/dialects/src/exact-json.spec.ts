import { describe, expect, it } from '@jest/globals';
import { createExchange } from './create-exchange.js';

const ARGUMENTS = '{"user":1234567890123456789,"ids":[-9007199254740993,7],"share":0.1234567890123456789,"text":"1234567890123456789"}';
/** The same as a model is sent it: a fraction loses nothing that a double tells apart. */
const EXACT = '{"user":1234567890123456789,"ids":[-9007199254740993,7],"share":0.12345678901234568,"text":"1234567890123456789"}';

const call = { id: 'toolu_1', type: 'function', function: { name: 'look', arguments: ARGUMENTS } };

function exchange(messages: object[]) {
  return createExchange({
    clientDialect: 'openai-chat',
    apiType: 'chat',
    body: Buffer.from(JSON.stringify({ messages })),
    stream: false,
    identity: { generationId: 'gen-1', model: 'anthropic/claude', providerName: 'Anthropic', created: 1 },
    endpoint: { providerModelId: 'claude-sonnet-4-5', supportedParameters: [], traits: {}, inputModalities: [] },
    manifest: { dialect: 'anthropic-messages' },
  });
}

describe('integers that no double holds', () => {
  it('reach a client’s tool digit by digit', () => {
    const content = `[{"type":"tool_use","id":"toolu_1","name":"look","input":${ARGUMENTS}}]`;
    const { bytes } = exchange([{ role: 'user', content: 'Hi' }]).readWhole(Buffer.from(`{"type":"message","content":${content},"stop_reason":"tool_use"}`));
    const answer = JSON.parse(Buffer.from(bytes).toString()) as { choices: [{ message: { tool_calls: [{ function: { arguments: string } }] } }] };
    expect(answer.choices[0].message.tool_calls[0].function.arguments).toBe(EXACT);
  });

  it('come back to the model digit by digit', () => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'toolu_1', content: '1' },
    ];
    expect(exchange(messages).buildRequest().body).toContain(`"input":${EXACT}`);
  });
});
