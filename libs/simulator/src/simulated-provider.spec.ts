import { afterEach, describe, expect, it } from '@jest/globals';
import { request } from 'undici';
import { startSimulatedProvider, type SimulatedProvider, type SimulatedProviderOptions } from './simulated-provider.js';

let provider: SimulatedProvider | undefined;

async function start(options?: SimulatedProviderOptions): Promise<SimulatedProvider> {
  provider = await startSimulatedProvider(options);
  return provider;
}

async function post(path: string, body: object): Promise<{ status: number; text: string; headers: Record<string, unknown> }> {
  const response = await request(`${provider!.url}${path}`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  return { status: response.statusCode, text: await response.body.text(), headers: response.headers };
}

const hello = { model: 'm', messages: [{ role: 'user', content: 'say 5 words' }] };

describe('startSimulatedProvider', () => {
  afterEach(async () => {
    await provider?.close();
    provider = undefined;
  });

  it('answers the three dialects and counts the same usage in each', async () => {
    await start();
    const openai = JSON.parse((await post('/v1/chat/completions', hello)).text) as {
      choices: { message: { content: string } }[];
      usage: { prompt_tokens: number; completion_tokens: number };
    };
    const anthropic = JSON.parse((await post('/v1/messages', { ...hello, max_tokens: 50 })).text) as {
      content: { text: string }[];
      usage: { output_tokens: number };
    };
    const gemini = JSON.parse((await post('/v1beta/models/m:generateContent', { contents: [{ role: 'user', parts: [{ text: 'say 5 words' }] }] })).text) as {
      candidates: { content: { parts: { text: string }[] } }[];
      usageMetadata: { candidatesTokenCount: number };
    };
    expect(openai.choices[0]!.message.content).toBe('word1 word2 word3 word4 word5');
    expect(anthropic.content[0]!.text).toBe(openai.choices[0]!.message.content);
    expect(gemini.candidates[0]!.content.parts[0]!.text).toBe(openai.choices[0]!.message.content);
    expect(openai.usage.completion_tokens).toBe(8);
    expect([anthropic.usage.output_tokens, gemini.usageMetadata.candidatesTokenCount]).toEqual([8, 8]);
  });

  it('streams the words of the whole answer, then usage, then the terminator', async () => {
    await start();
    const { text } = await post('/v1/chat/completions', { ...hello, stream: true });
    const chunks = text
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .map((event) => JSON.parse(event.slice(6)) as { choices: { delta: { content?: string } }[]; usage: object | null });
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('word1 word2 word3 word4 word5');
    expect(chunks.at(-1)!.usage).toMatchObject({ completion_tokens: 8 });
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('takes its time between words when the user asks it to', async () => {
    await start();
    const startMs = performance.now();
    const { text } = await post('/v1/chat/completions', { ...hello, stream: true, messages: [{ role: 'user', content: 'say 3 words 60 ms apart' }] });
    expect(text).toContain('word3');
    // Timers may come a millisecond early.
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(3 * 59);
  });

  it('keeps to max_tokens, and calls a tool that is forced with arguments that fit its schema', async () => {
    await start();
    const short = JSON.parse((await post('/v1/chat/completions', { ...hello, max_tokens: 3 })).text) as {
      choices: { finish_reason: string }[];
      usage: { completion_tokens: number };
    };
    expect(short.choices[0]!.finish_reason).toBe('length');
    expect(short.usage.completion_tokens).toBeLessThanOrEqual(3);
    const tools = [
      { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } } } },
    ];
    const called = JSON.parse((await post('/v1/chat/completions', { ...hello, tools, tool_choice: 'required' })).text) as {
      choices: { message: { tool_calls: { function: { arguments: string } }[] } }[];
    };
    expect(JSON.parse(called.choices[0]!.message.tool_calls[0]!.function.arguments)).toEqual({ city: 'sample', days: 7 });
  });

  it.each<[string, object]>([
    ['thinks', { reasoning_effort: 'high' }],
    [
      'calls a tool',
      {
        tools: [{ type: 'function', function: { name: 'say_it_with_many_words', parameters: { type: 'object', properties: { text: { type: 'string' } } } } }],
        tool_choice: 'required',
      },
    ],
  ])('keeps to max_tokens also where it %s', async (_how, fields) => {
    await start();
    const { choices, usage } = JSON.parse((await post('/v1/chat/completions', { ...hello, ...fields, max_tokens: 4 })).text) as {
      choices: { finish_reason: string }[];
      usage: { completion_tokens: number };
    };
    expect(choices[0]!.finish_reason).toBe('length');
    expect(usage.completion_tokens).toBeLessThanOrEqual(4);
  });

  it('names the stop sequence that ended the answer, as Anthropic does', async () => {
    await start();
    const body = { ...hello, max_tokens: 50, stop_sequences: ['word9', ' word3'] };
    expect(JSON.parse((await post('/v1/messages', body)).text)).toMatchObject({
      content: [{ text: 'word1 word2' }],
      stop_reason: 'stop_sequence',
      stop_sequence: ' word3',
    });
    expect((await post('/v1/messages', { ...body, stream: true })).text).toContain('"delta":{"stop_reason":"stop_sequence","stop_sequence":" word3"}');
    expect(JSON.parse((await post('/v1/messages', { ...body, stop_sequences: ['word9'] })).text)).toMatchObject({
      stop_reason: 'end_turn',
      stop_sequence: null,
    });
  });

  it('keeps to a JSON schema, also to one that a provider without schemas is told of in words', async () => {
    await start();
    const schema = {
      type: 'object',
      properties: { steps: { type: 'array', items: { $ref: '#/$defs/step' } } },
      $defs: { step: { type: 'object', properties: { text: { type: 'string' } } } },
    };
    const contentOf = async (fields: object) =>
      JSON.parse(
        (JSON.parse((await post('/v1/chat/completions', { ...hello, ...fields })).text) as { choices: { message: { content: string } }[] }).choices[0]!.message
          .content,
      ) as unknown;
    const answer = { steps: [{ text: 'sample' }] };
    expect(await contentOf({ response_format: { type: 'json_schema', json_schema: { name: 'plan', schema } } })).toEqual(answer);
    const told = { role: 'system', content: `Answer with one JSON object that validates against this JSON Schema:\n${JSON.stringify(schema)}` };
    expect(await contentOf({ response_format: { type: 'json_object' }, messages: [told, ...hello.messages] })).toEqual(answer);
  });

  it('calls no tool where the choice is none, and one where calls may not be parallel, in every dialect', async () => {
    await start();
    const messages = [{ role: 'user', content: 'Use weather and calendar.' }];
    const names = ['weather', 'calendar'];
    const openai = { model: 'm', messages, tools: names.map((name) => ({ type: 'function', function: { name } })) };
    const anthropic = { model: 'm', messages, max_tokens: 50, tools: names.map((name) => ({ name })) };
    const gemini = {
      contents: [{ role: 'user', parts: [{ text: messages[0]!.content }] }],
      tools: [{ functionDeclarations: names.map((name) => ({ name })) }],
    };
    const callsOf = async (path: string, body: object) => (await post(path, body)).text.match(/"name":"(weather|calendar)"/g)?.length ?? 0;
    expect(await callsOf('/v1/chat/completions', openai)).toBe(2);
    expect(await callsOf('/v1/chat/completions', { ...openai, tool_choice: 'none' })).toBe(0);
    expect(await callsOf('/v1/chat/completions', { ...openai, parallel_tool_calls: false })).toBe(1);
    expect(await callsOf('/v1/messages', { ...anthropic, tool_choice: { type: 'none' } })).toBe(0);
    expect(await callsOf('/v1/messages', { ...anthropic, tool_choice: { type: 'auto', disable_parallel_tool_use: true } })).toBe(1);
    expect(await callsOf('/v1beta/models/m:generateContent', gemini)).toBe(2);
    expect(await callsOf('/v1beta/models/m:generateContent', { ...gemini, toolConfig: { functionCallingConfig: { mode: 'NONE' } } })).toBe(0);
  });

  it.each<[string, object, boolean]>([
    ['effort', { reasoning_effort: 'low' }, true],
    ['OpenRouter’s object', { reasoning: { effort: 'low' } }, true],
    ['a template', { chat_template_kwargs: { enable_thinking: true } }, true],
    ['another template', { chat_template_kwargs: { thinking: true } }, true],
    ['Qwen’s switch', { enable_thinking: true, thinking_budget: 200 }, true],
    ['DeepSeek’s switch', { thinking: { type: 'enabled' } }, true],
    ['Ollama’s switch', { think: 'high' }, true],
    ['nothing', {}, false],
    ['effort none', { reasoning_effort: 'none' }, false],
    ['an object that switches it off', { reasoning: { enabled: false } }, false],
    ['a template that switches it off', { chat_template_kwargs: { enable_thinking: false } }, false],
    ['DeepSeek’s switch, off beside an effort', { thinking: { type: 'disabled' }, reasoning_effort: 'high' }, false],
    ['null', { reasoning_effort: null, reasoning: null, enable_thinking: false }, false],
  ])('thinks where the request says so by %s', async (_how, fields, thinks) => {
    await start();
    expect((await post('/v1/chat/completions', { ...hello, ...fields })).text.includes('reasoning_content')).toBe(thinks);
  });

  it('fails as told, repeatably for a seed, until it is told to stop', async () => {
    await start();
    const fault = { kind: 'rate_limit', share: 0.5, seed: 3, retryAfterSeconds: 2 };
    const draw = async () => {
      await request(`${provider!.url}/_simulator/faults`, { method: 'DELETE' });
      await post('/_simulator/faults', fault);
      const statuses: number[] = [];
      for (let index = 0; index < 12; index++) statuses.push((await post('/v1/chat/completions', hello)).status);
      return statuses;
    };
    const first = await draw();
    expect(first).toContain(429);
    expect(first).toContain(200);
    expect(await draw()).toEqual(first);
    await request(`${provider!.url}/_simulator/faults`, { method: 'DELETE' });
    expect((await post('/v1/chat/completions', hello)).status).toBe(200);
  });

  it.each([
    ['/v1/chat/completions', 'context_length', 400, 'context_length_exceeded'],
    ['/v1/chat/completions', 'moderation', 403, 'usage guidelines'],
    ['/v1/messages', 'context_length', 400, 'prompt is too long'],
    ['/v1/messages', 'moderation', 400, 'content filtering policy'],
    ['/v1beta/models/m:generateContent', 'context_length', 400, 'exceeds the maximum number of tokens'],
    ['/v1beta/models/m:streamGenerateContent', 'moderation', 200, 'PROHIBITED_CONTENT'],
  ] as const)('refuses at %s for %s as its provider does', async (path, kind, status, text) => {
    await start({ faults: [{ kind, share: 1, seed: 1, delayMs: 0, afterWords: 0 }] });
    const refused = await post(path, path.includes('models') ? { contents: [{ parts: [{ text: 'hi' }] }] } : hello);
    expect(refused.status).toBe(status);
    expect(refused.text).toContain(text);
  });

  it.each([
    ['/v1/embeddings', { model: 'e', input: 'a' }, /"type":"rate_limit_error"/],
    ['/v1beta/models/e:batchEmbedContents', { requests: [{ content: { parts: [{ text: 'a' }] } }] }, /"status":"RESOURCE_EXHAUSTED"/],
  ] as const)('fails embeddings at %s as told, by their model too, with the errors of its provider', async (path, body, refusal) => {
    await start();
    const { faults } = provider!;
    const fault = { share: 1, seed: 1, delayMs: 0, afterWords: 3 };
    faults.add({ ...fault, kind: 'rate_limit', model: 'another' });
    expect((await post(path, body)).status).toBe(200);
    faults.add({ ...fault, kind: 'rate_limit', model: 'e' });
    const refused = await post(path, body);
    expect([refused.status, refused.text]).toEqual([429, expect.stringMatching(refusal)]);
    faults.clear();
    faults.add({ ...fault, kind: 'cut' });
    await expect(post(path, body)).rejects.toThrow();
  });

  it('cuts a stream after the words it was told', async () => {
    await start({ faults: [{ kind: 'cut', share: 1, seed: 1, delayMs: 0, afterWords: 3 }] });
    await expect(post('/v1/chat/completions', { ...hello, stream: true })).rejects.toThrow();
  });

  it('gives the same text the same vector, in both encodings', async () => {
    await start();
    const floats = JSON.parse((await post('/v1/embeddings', { model: 'e', input: ['a', 'b'], dimensions: 8 })).text) as { data: { embedding: number[] }[] };
    const base64 = JSON.parse((await post('/v1/embeddings', { model: 'e', input: 'a', dimensions: 8, encoding_format: 'base64' })).text) as {
      data: { embedding: string }[];
    };
    expect(floats.data).toHaveLength(2);
    const bytes = Buffer.from(base64.data[0]!.embedding, 'base64');
    expect([...new Float32Array(bytes.buffer, bytes.byteOffset, 8)]).toEqual(floats.data[0]!.embedding.map((value) => Math.fround(value)));
  });

  it('refuses a fault that it does not know', async () => {
    await start();
    expect((await post('/_simulator/faults', { kind: 'explode' })).status).toBe(400);
  });
});
