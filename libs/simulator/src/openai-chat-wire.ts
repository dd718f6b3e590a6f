import { hashOf, type SimulatedAnswer, type SimulatedRequest } from './simulated-chat.js';
import type { SimulatedRefusal, SimulatedWire } from './simulated-wire.js';

interface ContentPart {
  readonly type?: string;
  readonly text?: string;
}
interface Message {
  readonly role?: string;
  readonly content?: string | readonly ContentPart[] | null;
}
interface ToolDefinition {
  readonly function?: { readonly name?: string; readonly parameters?: unknown };
}
interface Body {
  readonly model?: string;
  readonly messages?: readonly Message[];
  readonly prompt?: string | readonly string[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly tools?: readonly ToolDefinition[];
  readonly tool_choice?: string | { readonly function?: { readonly name?: string } };
  readonly parallel_tool_calls?: boolean | null;
  readonly response_format?: { readonly type?: string; readonly json_schema?: { readonly schema?: unknown } };
  readonly reasoning_effort?: string;
  readonly reasoning?: { readonly enabled?: boolean; readonly effort?: string; readonly max_tokens?: number };
  readonly chat_template_kwargs?: { readonly enable_thinking?: boolean; readonly thinking?: boolean };
  readonly enable_thinking?: boolean;
  readonly thinking?: { readonly type?: string };
  readonly think?: boolean | string;
  readonly stop?: string | readonly string[] | null;
}

const CREATED = 1_700_000_000;

/** OpenAI's chat completions (https://platform.openai.com/docs/api-reference/chat). */
export const openaiChatWire: SimulatedWire = {
  read(raw: unknown): SimulatedRequest {
    const body = raw as Body;
    const messages = body.messages ?? [{ role: 'user', content: Array.isArray(body.prompt) ? body.prompt.join('') : String(body.prompt ?? '') }];
    const last = messages.at(-1);
    const users = messages.filter((message) => message.role === 'user');
    return {
      model: body.model ?? '',
      promptText: messages.map((message) => textOf(message.content)).join('\n'),
      lastUserText: textOf(users.at(-1)?.content),
      imageCount: messages.reduce((sum, message) => sum + imagesOf(message.content), 0),
      stream: body.stream === true,
      maxTokens: body.max_completion_tokens ?? body.max_tokens,
      tools: (body.tool_choice === 'none' ? [] : (body.tools ?? [])).map((tool) => ({ name: tool.function?.name ?? '', schema: tool.function?.parameters })),
      forcedTool: body.tool_choice === 'required' ? 'any' : typeof body.tool_choice === 'object' ? body.tool_choice.function?.name : undefined,
      mayCallMany: body.parallel_tool_calls !== false,
      jsonSchema: body.response_format?.json_schema?.schema ?? (body.response_format?.type === 'json_object' ? schemaInWords(messages) : undefined),
      wantsJson: body.response_format?.type === 'json_object',
      reasoning: isReasoningAsked(body),
      isAfterTool: last?.role === 'tool',
      prefill: last?.role === 'assistant' ? textOf(last.content) : '',
      stop: typeof body.stop === 'string' ? [body.stop] : [...(body.stop ?? [])],
    };
  },

  whole(request: SimulatedRequest, answer: SimulatedAnswer): unknown {
    return {
      id: idOf(request),
      object: 'chat.completion',
      created: CREATED,
      model: request.model,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: answer.toolCalls.length > 0 ? null : answer.words.join(''),
            refusal: null,
            ...(answer.reasoningWords.length > 0 ? { reasoning_content: answer.reasoningWords.join('') } : {}),
            ...(answer.toolCalls.length > 0
              ? {
                  tool_calls: answer.toolCalls.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.argumentsJson } })),
                }
              : {}),
          },
          logprobs: null,
          finish_reason: finishOf(answer),
        },
      ],
      usage: usageOf(answer),
      system_fingerprint: 'fp_simulated',
    };
  },

  *stream(request: SimulatedRequest, answer: SimulatedAnswer): Generator<string> {
    yield chunk(request, { role: 'assistant', content: '' });
    for (const word of answer.reasoningWords) yield chunk(request, { reasoning_content: word });
    for (const word of answer.words) yield chunk(request, { content: word });
    for (const [index, call] of answer.toolCalls.entries()) {
      yield chunk(request, { tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }] });
      const middle = Math.ceil(call.argumentsJson.length / 2);
      yield chunk(request, { tool_calls: [{ index, function: { arguments: call.argumentsJson.slice(0, middle) } }] });
      yield chunk(request, { tool_calls: [{ index, function: { arguments: call.argumentsJson.slice(middle) } }] });
    }
    yield chunk(request, {}, finishOf(answer));
    yield event({ ...base(request), choices: [], usage: usageOf(answer) });
    yield 'data: [DONE]\n\n';
  },

  errorFrame: () => event({ error: { message: 'The simulated model failed in mid-stream.', type: 'server_error', code: null } }),

  refusal(kind) {
    switch (kind) {
      case 'rate_limit':
        return refused(429, 'Rate limit reached for this simulated model.', 'rate_limit_error', 'rate_limit_exceeded');
      case 'server_error':
        return refused(500, 'The simulated server had an error.', 'server_error', null);
      case 'context_length':
        return refused(
          400,
          "This model's maximum context length is 10 tokens. Please reduce the length of the messages.",
          'invalid_request_error',
          CONTEXT_CODE,
        );
      // The shape of xAI, whose dialect is OpenAI's but for this.
      case 'moderation':
        return { status: 403, body: { code: 'permission-denied', error: 'Content violates usage guidelines.' } };
    }
  },
};

function base(request: SimulatedRequest): object {
  return { id: idOf(request), object: 'chat.completion.chunk', created: CREATED, model: request.model, system_fingerprint: null, usage: null };
}

/** In any spelling that a provider of this dialect has; what switches it off counts more than an effort beside it. */
function isReasoningAsked(body: Body): boolean {
  const { reasoning_effort: effort, reasoning, chat_template_kwargs: template, thinking, think } = body;
  const said = [
    effort && effort !== 'none',
    reasoning && reasoning.effort !== 'none' && reasoning.max_tokens !== 0 && (reasoning.enabled ?? reasoning.effort ?? reasoning.max_tokens),
    template?.enable_thinking ?? template?.thinking,
    body.enable_thinking,
    thinking && thinking.type !== 'disabled',
    think,
  ].filter((word) => word !== undefined && word !== null);
  return said.length > 0 && said.every((word) => word !== false);
}

function chunk(request: SimulatedRequest, delta: object, finish: string | null = null): string {
  return event({ ...base(request), choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
}

function finishOf(answer: SimulatedAnswer): string | null {
  return answer.finish === 'none' ? null : answer.finish;
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function usageOf(answer: SimulatedAnswer): object {
  const { inputTokens, outputTokens, reasoningTokens } = answer.usage;
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: reasoningTokens, audio_tokens: 0 },
  };
}

function idOf(request: SimulatedRequest): string {
  return `chatcmpl-${hashOf(request.promptText)}`;
}

function textOf(content: Message['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? '').join('');
}

/** Models keep to a schema that a system message has, which is how those of providers with JSON mode alone are told of one. */
function schemaInWords(messages: readonly Message[]): unknown {
  for (const message of messages.filter(({ role }) => role === 'system')) {
    const json = /JSON Schema:\s*(\{.*\})/s.exec(textOf(message.content))?.[1];
    try {
      if (json !== undefined) return JSON.parse(json);
    } catch {
      // Words alone.
    }
  }
  return undefined;
}

function imagesOf(content: Message['content']): number {
  return typeof content === 'string' ? 0 : (content ?? []).filter((part) => part.type === 'image_url').length;
}

const CONTEXT_CODE = 'context_length_exceeded';

/** https://platform.openai.com/docs/guides/error-codes */
function refused(status: number, message: string, type: string, code: string | null): SimulatedRefusal {
  return { status, body: { error: { message, type, param: null, code } } };
}
