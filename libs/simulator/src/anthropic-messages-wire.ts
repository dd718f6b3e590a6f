import { hashOf, type SimulatedAnswer, type SimulatedRequest } from './simulated-chat.js';
import type { SimulatedRefusal, SimulatedWire } from './simulated-wire.js';

interface Block {
  readonly type?: string;
  readonly text?: string;
  readonly content?: unknown;
}
interface Message {
  readonly role?: string;
  readonly content?: string | readonly Block[];
}
interface Body {
  readonly model?: string;
  readonly system?: string | readonly Block[];
  readonly messages?: readonly Message[];
  readonly max_tokens?: number;
  readonly stream?: boolean;
  readonly tools?: readonly { readonly name?: string; readonly input_schema?: unknown }[];
  readonly tool_choice?: { readonly type?: string; readonly name?: string; readonly disable_parallel_tool_use?: boolean };
  readonly thinking?: { readonly type?: string };
  readonly stop_sequences?: readonly string[];
  readonly output_config?: { readonly format?: { readonly schema?: unknown } };
  readonly output_format?: { readonly schema?: unknown };
}

const STOP_REASONS = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', none: null } as const;

/** Anthropic's Messages (https://docs.anthropic.com/en/api/messages). */
export const anthropicMessagesWire: SimulatedWire = {
  read(raw: unknown): SimulatedRequest {
    const body = raw as Body;
    const messages = body.messages ?? [];
    const last = messages.at(-1);
    const users = messages.filter((message) => message.role === 'user' && textOf(message.content) !== '');
    return {
      model: body.model ?? '',
      promptText: [textOf(body.system), ...messages.map((message) => textOf(message.content))].join('\n'),
      lastUserText: textOf(users.at(-1)?.content),
      imageCount: messages.reduce((sum, message) => sum + blocksOf(message.content, 'image'), 0),
      stream: body.stream === true,
      maxTokens: body.max_tokens,
      tools: (body.tool_choice?.type === 'none' ? [] : (body.tools ?? [])).map((tool) => ({ name: tool.name ?? '', schema: tool.input_schema })),
      forcedTool: body.tool_choice?.type === 'any' ? 'any' : body.tool_choice?.type === 'tool' ? body.tool_choice.name : undefined,
      mayCallMany: body.tool_choice?.disable_parallel_tool_use !== true,
      jsonSchema: body.output_config?.format?.schema ?? body.output_format?.schema,
      wantsJson: false,
      reasoning: body.thinking !== undefined && body.thinking.type !== 'disabled',
      isAfterTool: last?.role === 'user' && blocksOf(last.content, 'tool_result') > 0,
      prefill: last?.role === 'assistant' ? textOf(last.content) : '',
      stop: body.stop_sequences ?? [],
    };
  },

  whole(request: SimulatedRequest, answer: SimulatedAnswer): unknown {
    return { ...message(request), content: contentOf(request, answer), ...stopOf(answer), usage: usageOf(answer) };
  },

  *stream(request: SimulatedRequest, answer: SimulatedAnswer): Generator<string> {
    yield event('message_start', {
      message: { ...message(request), content: [], stop_reason: null, stop_sequence: null, usage: { ...usageOf(answer), output_tokens: 1 } },
    });
    yield event('ping', {});
    let index = 0;
    if (answer.reasoningWords.length > 0) {
      yield event('content_block_start', { index, content_block: { type: 'thinking', thinking: '', signature: '' } });
      for (const word of answer.reasoningWords) yield event('content_block_delta', { index, delta: { type: 'thinking_delta', thinking: word } });
      yield event('content_block_delta', { index, delta: { type: 'signature_delta', signature: signatureOf(request) } });
      yield event('content_block_stop', { index: index++ });
    }
    if (answer.words.length > 0) {
      yield event('content_block_start', { index, content_block: { type: 'text', text: '' } });
      for (const word of answer.words) yield event('content_block_delta', { index, delta: { type: 'text_delta', text: word } });
      yield event('content_block_stop', { index: index++ });
    }
    for (const call of answer.toolCalls) {
      yield event('content_block_start', { index, content_block: { type: 'tool_use', id: call.id, name: call.name, input: {} } });
      const middle = Math.ceil(call.argumentsJson.length / 2);
      yield event('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: call.argumentsJson.slice(0, middle) } });
      yield event('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: call.argumentsJson.slice(middle) } });
      yield event('content_block_stop', { index: index++ });
    }
    yield event('message_delta', {
      delta: stopOf(answer),
      usage: { output_tokens: answer.usage.outputTokens },
    });
    yield event('message_stop', {});
  },

  errorFrame: () => event('error', { error: { type: 'overloaded_error', message: 'The simulated model is overloaded.' } }),

  refusal(kind) {
    switch (kind) {
      case 'rate_limit':
        return refused(429, 'rate_limit_error', 'This simulated model is rate limited.');
      case 'server_error':
        return refused(500, 'api_error', 'The simulated server had an error.');
      case 'context_length':
        return refused(400, 'invalid_request_error', 'prompt is too long: 11 tokens > 10 maximum');
      case 'moderation':
        return refused(400, 'invalid_request_error', 'Output blocked by content filtering policy');
    }
  },
};

/** https://docs.anthropic.com/en/api/errors */
function refused(status: number, type: string, message: string): SimulatedRefusal {
  return { status, body: { type: 'error', error: { type, message }, request_id: 'req_simulated' } };
}

function stopOf({ finish, stopSequence }: SimulatedAnswer): object {
  if (stopSequence === undefined) return { stop_reason: STOP_REASONS[finish], stop_sequence: null };
  return { stop_reason: 'stop_sequence', stop_sequence: stopSequence };
}

function contentOf(request: SimulatedRequest, answer: SimulatedAnswer): object[] {
  const content: object[] = [];
  if (answer.reasoningWords.length > 0) content.push({ type: 'thinking', thinking: answer.reasoningWords.join(''), signature: signatureOf(request) });
  if (answer.words.length > 0) content.push({ type: 'text', text: answer.words.join('') });
  for (const call of answer.toolCalls) content.push({ type: 'tool_use', id: call.id, name: call.name, input: JSON.parse(call.argumentsJson) as object });
  return content;
}

function message(request: SimulatedRequest): object {
  return { id: `msg_${hashOf(request.promptText)}`, type: 'message', role: 'assistant', model: request.model };
}

function signatureOf(request: SimulatedRequest): string {
  return Buffer.from(`simulated-signature-${hashOf(request.promptText)}`).toString('base64');
}

function event(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}

function usageOf(answer: SimulatedAnswer): object {
  return { input_tokens: answer.usage.inputTokens, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: answer.usage.outputTokens };
}

function textOf(content: string | readonly Block[] | undefined): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((block) => block.text ?? (block.type === 'tool_result' ? JSON.stringify(block.content ?? '') : '')).join('');
}

function blocksOf(content: Message['content'], type: string): number {
  return typeof content === 'string' ? 0 : (content ?? []).filter((block) => block.type === type).length;
}
