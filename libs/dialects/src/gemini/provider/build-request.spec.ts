import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@switchyard/core';
import type { EndpointFacts } from '../../dialect-manifest.js';
import { openaiChatClient } from '../../openai-chat/client/openai-chat-client.js';
import type { FetchedMedia } from '../../provider-dialect.js';
import { geminiProvider } from './gemini-provider.js';
import { PartialArguments } from './partial-arguments.js';

const messages = [{ role: 'user', content: 'Hello' }];

interface Setting {
  readonly model?: string;
  readonly endpoint?: Partial<EndpointFacts>;
  readonly stream?: boolean;
  readonly media?: ReadonlyMap<string, FetchedMedia>;
}

function build(
  body: JsonObject,
  { model = 'gemini-2.5-flash', endpoint = {}, stream = false, media }: Setting = {},
): { body: JsonObject; warnings: readonly string[]; path: string } {
  const facts: EndpointFacts = { providerModelId: model, supportedParameters: [], traits: {}, inputModalities: [], ...endpoint };
  const request = geminiProvider.buildRequest(openaiChatClient.parseChatRequest({ messages, ...body }), facts, { dialect: 'gemini' }, { stream, media });
  return { ...request, body: JSON.parse(request.body) as JsonObject };
}

const toolLoop = (details: JsonObject[]): JsonObject[] => [
  ...messages,
  {
    role: 'assistant',
    content: null,
    reasoning_details: details,
    tool_calls: [
      { id: 'a', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
      { id: 'b', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
    ],
  },
  { role: 'tool', tool_call_id: 'b', content: 'rain' },
  { role: 'tool', tool_call_id: 'a', content: '{"sky":"clear"}' },
];

describe('a request to Gemini', () => {
  it('names model and method in the path', () => {
    expect(build({}).path).toBe('/models/gemini-2.5-flash:generateContent');
    expect(build({}, { stream: true }).path).toBe('/models/gemini-2.5-flash:streamGenerateContent?alt=sse');
  });

  it('has the system apart and sampling in generationConfig, without defaults', () => {
    expect(build({ messages: [{ role: 'system', content: 'Be brief' }, ...messages] }).body).toEqual({
      systemInstruction: { parts: [{ text: 'Be brief' }] },
      contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
    });
    expect(build({ temperature: 0.5, top_k: 4, max_tokens: 9, stop: 'x', seed: 3, presence_penalty: 1 }).body['generationConfig']).toEqual({
      temperature: 0.5,
      topK: 4,
      maxOutputTokens: 9,
      stopSequences: ['x'],
      seed: 3,
      presencePenalty: 1,
    });
  });

  it('gives a call its signature back byte for byte, and results in the order of the calls', () => {
    const signature = { type: 'reasoning.encrypted', data: 'CiQB+/==', id: 'a', format: 'google-gemini-v1', index: 0 };
    const { body } = build({ messages: toolLoop([signature]) }, { model: 'gemini-3-pro-preview' });
    expect(body['contents']).toEqual([
      { role: 'user', parts: [{ text: 'Hello' }] },
      {
        role: 'model',
        parts: [
          { functionCall: { name: 'weather', args: { city: 'Rome' } }, thoughtSignature: 'CiQB+/==' },
          { functionCall: { name: 'weather', args: { city: 'Oslo' } } },
        ],
      },
      {
        role: 'user',
        parts: [{ functionResponse: { name: 'weather', response: { sky: 'clear' } } }, { functionResponse: { name: 'weather', response: { output: 'rain' } } }],
      },
    ]);
  });

  it('gives a signature of text back, on the text', () => {
    const assistant = {
      role: 'assistant',
      content: 'Hi',
      reasoning_details: [{ type: 'reasoning.encrypted', data: 'TXT', id: null, format: 'google-gemini-v1', index: 0 }],
    };
    expect((build({ messages: [...messages, assistant, ...messages] }).body['contents'] as JsonObject[])[1]).toEqual({
      role: 'model',
      parts: [{ text: 'Hi', thoughtSignature: 'TXT' }],
    });
  });

  it('marks calls that another model made, where signatures are demanded', () => {
    expect(JSON.stringify(build({ messages: toolLoop([]) }, { model: 'gemini-3-flash' }).body).match(/skip_thought_signature_validator/g)).toHaveLength(1);
    expect(JSON.stringify(build({ messages: toolLoop([]) }).body)).not.toContain('thoughtSignature');
  });

  it.each<[string, JsonObject, JsonObject | undefined]>([
    ['gemini-2.5-flash', { max_tokens: 10_000, reasoning: { effort: 'high' } }, { thinkingBudget: 8000, includeThoughts: true }],
    ['gemini-2.5-flash', { reasoning: { effort: 'none' } }, { thinkingBudget: 0 }],
    ['gemini-2.5-pro', { reasoning: { effort: 'none' } }, { thinkingBudget: 128 }],
    ['gemini-2.5-flash', { reasoning: { max_tokens: 99_999 } }, { thinkingBudget: 24_576, includeThoughts: true }],
    ['gemini-3-flash-preview', { reasoning: { effort: 'minimal' } }, { thinkingLevel: 'minimal', includeThoughts: true }],
    ['gemini-3-pro-preview', { reasoning: { effort: 'medium', exclude: true } }, { thinkingLevel: 'high' }],
    ['gemini-3.1-pro-preview', { reasoning: { enabled: true } }, { thinkingLevel: 'medium', includeThoughts: true }],
    ['gemini-3-flash-preview', {}, undefined],
  ])('asks %s for thinking', (model, body, expected) => {
    expect((build(body, { model }).body['generationConfig'] as JsonObject | undefined)?.['thinkingConfig']).toEqual(expected);
  });

  it.each<[string, JsonObject, string[], JsonObject | undefined]>([
    ['that lists reasoning', { include_reasoning: true }, ['reasoning'], { includeThoughts: true }],
    ['that lists reasoning', { reasoning: {} }, ['reasoning'], { includeThoughts: true }],
    ['that lists reasoning', { include_reasoning: false }, ['reasoning'], undefined],
    ['that lists reasoning', {}, ['reasoning'], undefined],
    ['that lists no reasoning', { include_reasoning: true }, ['temperature'], undefined],
    ['of which nothing is known', { include_reasoning: true }, [], undefined],
  ])('shows what a model %s thinks by itself where the client wants to see it', (_which, body, supportedParameters, expected) => {
    expect((build(body, { endpoint: { supportedParameters } }).body['generationConfig'] as JsonObject | undefined)?.['thinkingConfig']).toEqual(expected);
  });

  it('asks for JSON and for a schema', () => {
    const schema = {
      type: 'object',
      properties: { a: { $ref: '#/$defs/a' } },
      $defs: { a: { type: ['string', 'null'], const: 'x' } },
      additionalProperties: false,
    };
    const format = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } };
    expect(build({ response_format: { type: 'json_object' } }).body['generationConfig']).toEqual({ responseMimeType: 'application/json' });
    expect(build(format).body['generationConfig']).toEqual({ responseMimeType: 'application/json', responseJsonSchema: schema });
  });

  it('puts a schema into words beside tools, with which models before Gemini 3 refuse JSON mode', () => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const schema = { type: 'object', required: ['colour'] };
    const format = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } };
    const older = build({ tools, ...format, temperature: 1 });
    expect(older.body).toMatchObject({ generationConfig: { temperature: 1 }, tools: [{ functionDeclarations: [{ name: 'f' }] }] });
    expect(older.body['generationConfig']).not.toHaveProperty('responseMimeType');
    expect(JSON.stringify(older.body['systemInstruction'])).toContain('colour');
    expect(older.warnings).toEqual([expect.stringMatching(/^response_format: /)]);
    const plain = build({ messages: [{ role: 'system', content: 'Be brief' }, ...messages], tools, response_format: { type: 'json_object' } });
    expect(plain.body).not.toHaveProperty('generationConfig');
    expect(plain.body['systemInstruction']).toMatchObject({ parts: [{ text: 'Be brief' }, { text: expect.stringContaining('JSON') }] });
    const newer = build({ tools, ...format }, { model: 'gemini-3-flash-preview' });
    expect(newer).toMatchObject({ body: { generationConfig: { responseMimeType: 'application/json', responseJsonSchema: schema } }, warnings: [] });
    expect(newer.body).not.toHaveProperty('systemInstruction');
  });

  it('does not ask a model to think that the endpoint does not list as thinking, and says so', () => {
    const endpoint = { supportedParameters: ['temperature', 'tools'] };
    const built = build({ reasoning: { effort: 'high' } }, { model: 'gemini-2.0-flash', endpoint });
    expect(built.body).not.toHaveProperty('generationConfig');
    expect(built.warnings).toEqual(['reasoning: this endpoint does not take it; it was dropped.']);
    for (const reasoning of [{ enabled: false }, { exclude: true }])
      expect(build({ reasoning }, { model: 'gemini-2.0-flash', endpoint })).toMatchObject({ body: { contents: expect.anything() }, warnings: [] });
    expect(build({ reasoning: { effort: 'high' } }, { endpoint: { supportedParameters: ['reasoning'] } }).body).toHaveProperty('generationConfig');
  });

  it('maps tools and their choice', () => {
    const tools = [{ type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object', properties: {} } } }];
    expect(build({ tools, tool_choice: { type: 'function', function: { name: 'f' } } }).body).toMatchObject({
      tools: [{ functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: { type: 'object' } }] }],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
    });
    expect(build({ tools }).body).not.toHaveProperty('toolConfig');
  });

  it('wants pictures as bytes, and films of YouTube by address', () => {
    const picture = 'https://pictures.example/a.png';
    const film = 'https://www.youtube.com/watch?v=abc';
    const body = {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: picture } },
            { type: 'video_url', video_url: { url: film } },
            { type: 'image_url', image_url: { url: 'data:image/gif;base64,BBBB' } },
          ],
        },
      ],
    };
    expect(geminiProvider.mediaUrlsToFetch(openaiChatClient.parseChatRequest(body), { dialect: 'gemini' })).toEqual([picture]);
    expect(build(body, { media: new Map([[picture, { mediaType: 'image/png', data: 'AAAA' }]]) }).body['contents']).toEqual([
      {
        role: 'user',
        parts: [
          { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
          { fileData: { fileUri: film } },
          { inlineData: { mimeType: 'image/gif', data: 'BBBB' } },
        ],
      },
    ]);
    expect(() => build(body)).toThrow(expect.objectContaining({ type: 'image_download_failed' }));
  });

  it('asks for pictures', () => {
    expect(build({ modalities: ['image', 'text'], image_config: { aspect_ratio: '16:9' } }).body['generationConfig']).toEqual({
      responseModalities: ['IMAGE', 'TEXT'],
      imageConfig: { aspectRatio: '16:9' },
    });
  });

  it('warns of every parameter that has no place', () => {
    const { warnings } = build({ logit_bias: { 1: 1 }, min_p: 0.1, future: 1, cache_control: { type: 'ephemeral' }, verbosity: 'low' });
    expect(warnings.map((warning) => warning.split(':')[0]).sort()).toEqual(['cache_control', 'future', 'logit_bias', 'min_p', 'verbosity']);
  });

  it.each<[string, JsonObject]>([
    ['top_k', { top_k: -1 }],
    ['top_k', { top_k: 0 }],
    ['top_k', { top_k: 2 ** 31 }],
    ['seed', { seed: 2 ** 31 }],
    ['seed', { seed: -(2 ** 31) - 1 }],
    ['presence_penalty', { presence_penalty: 2 }],
    ['frequency_penalty', { frequency_penalty: 2 }],
    ['repetition_penalty', { repetition_penalty: 2.5 }],
  ])('leaves a %s out that is beyond what the provider takes, and says so', (name, sampling) => {
    const { body, warnings } = build({ temperature: 1, ...sampling });
    expect(body['generationConfig']).toEqual({ temperature: 1 });
    expect(warnings).toEqual([expect.stringMatching(new RegExp(`^${name}: .*dropped`))]);
  });

  it('keeps what is at the edge of the ranges, and warns once of what the endpoint takes at no value', () => {
    const edge = build({ top_k: 1, seed: -(2 ** 31), presence_penalty: -2, frequency_penalty: 1.99 });
    expect(edge).toMatchObject({
      body: { generationConfig: { topK: 1, seed: -(2 ** 31), presencePenalty: -2, frequencyPenalty: 1.99 } },
      warnings: [],
    });
    expect(build({ top_k: -1 }, { endpoint: { supportedParameters: ['temperature'] } }).warnings).toHaveLength(1);
  });
});

describe('answers of Gemini', () => {
  const parse = (body: JsonObject) => geminiProvider.parseResponse(body, { dialect: 'gemini' });

  it.each([
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['STOP', 'stop'],
  ])('that stopped with %s are told as %s', (native, finishReason) => {
    expect(parse({ candidates: [{ content: { parts: [{ text: 'Hi' }] }, finishReason: native }] })).toMatchObject({
      finishReason,
      nativeFinishReason: native,
      error: undefined,
    });
  });

  it('whose prompt was blocked, or whose call was malformed, are failures', () => {
    expect(parse({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } }).error).toMatchObject({
      errorType: 'content_policy_violation',
      providerCode: 'PROHIBITED_CONTENT',
    });
    expect(parse({ candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] }).error).toMatchObject({
      errorType: 'provider_unavailable',
      providerCode: 'MALFORMED_FUNCTION_CALL',
    });
  });

  it('count audio, pictures and cached tokens once', () => {
    const usage: JsonObject = {
      promptTokenCount: 100,
      cachedContentTokenCount: 40,
      candidatesTokenCount: 30,
      thoughtsTokenCount: 5,
      toolUsePromptTokenCount: 7,
      totalTokenCount: 142,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 60 },
        { modality: 'AUDIO', tokenCount: 30 },
        { modality: 'IMAGE', tokenCount: 10 },
      ],
      cacheTokensDetails: [
        { modality: 'TEXT', tokenCount: 28 },
        { modality: 'AUDIO', tokenCount: 12 },
      ],
      candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 20 }],
    };
    expect(geminiProvider.meters(usage, { dialect: 'gemini' })).toEqual({
      input_uncached: 39,
      cache_read: 28,
      cache_read_audio: 12,
      input_audio: 18,
      input_image_tokens: 10,
      output_text: 10,
      output_image_tokens: 20,
      reasoning: 5,
    });
  });

  it('build streamed arguments from values at paths', () => {
    const partial = new PartialArguments(undefined);
    partial.add([{ jsonPath: '$.a.list[0].name', stringValue: 'Oslo', willContinue: true }]);
    partial.add([
      { jsonPath: '$.a.list[0].name', stringValue: ' S' },
      { jsonPath: '$.a.list[1]', numberValue: 2 },
      { jsonPath: "$['odd key']", boolValue: false },
      { jsonPath: '$.none', nullValue: 'NULL_VALUE' },
      { jsonPath: '$.__proto__.x', stringValue: 'y' },
    ]);
    expect(JSON.parse(partial.toJson())).toEqual({ a: { list: [{ name: 'Oslo S' }, 2] }, 'odd key': false, none: null });
  });
});
