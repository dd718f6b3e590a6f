/** A small answer as a provider's dialect sends it, in the pieces between which it can fail. */
export interface FailingWire {
  /** A built-in provider that speaks it. */
  readonly like: string;
  readonly stream: {
    /** Comes before the first content. */
    readonly preamble: string;
    /** One event each. */
    readonly contents: readonly [string, string, string];
    /** The finish reason, without usage. */
    readonly finish: string;
    usage(counts: Counts): string;
    /** The last word; `''` where the dialect has none. */
    readonly terminator: string;
  };
  /** The body of a whole answer; its finish reason is between content and usage. */
  whole(usage: unknown): string;
  /** The usage object of a whole answer. */
  wholeUsage(counts: Counts): unknown;
  readonly errorBody: string;
  /** The same inside a stream. */
  readonly errorEvent: string;
}

export interface Counts {
  readonly prompt: number;
  readonly completion: number;
}

/** What the model says, in three pieces. */
export const PIECES = ['Hello, ', 'wide ', 'world.'] as const;
export const TEXT = PIECES.join('');
/** What the provider reports. */
export const COUNTS: Counts = { prompt: 11, completion: 7 };

const MESSAGE = 'The model fell over.';
const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const named = <Data extends { readonly type: string }>(data: Data): string => `event: ${data.type}\n${event(data)}`;

const chunk = (fields: object): string => event({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'native', ...fields });
const choice = (delta: object, finishReason: string | null = null): string => chunk({ choices: [{ index: 0, delta, finish_reason: finishReason }] });
const openaiUsage = ({ prompt, completion }: Counts) => ({ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion });
const openaiError = { error: { message: MESSAGE, type: 'server_error', code: null } };

/** https://platform.openai.com/docs/api-reference/chat-streaming */
const openai: FailingWire = {
  like: 'vllm',
  stream: {
    preamble: choice({ role: 'assistant', content: '' }),
    contents: PIECES.map((content) => choice({ content })) as [string, string, string],
    finish: choice({}, 'stop'),
    usage: (counts) => chunk({ choices: [], usage: openaiUsage(counts) }),
    terminator: 'data: [DONE]\n\n',
  },
  whole: (usage) =>
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'native',
      choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }],
      usage,
    }),
  wholeUsage: openaiUsage,
  errorBody: JSON.stringify(openaiError),
  errorEvent: event(openaiError),
};

const anthropicError = { type: 'error', error: { type: 'api_error', message: MESSAGE } };

/** https://docs.anthropic.com/en/docs/build-with-claude/streaming */
const anthropic: FailingWire = {
  like: 'anthropic',
  stream: {
    preamble:
      named({
        type: 'message_start',
        message: { id: 'msg_1', type: 'message', role: 'assistant', content: [], usage: { input_tokens: 11, output_tokens: 1 } },
      }) + named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    contents: PIECES.map((text) => named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })) as [string, string, string],
    finish: named({ type: 'content_block_stop', index: 0 }) + named({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null } }),
    usage: ({ completion }) => named({ type: 'message_delta', delta: {}, usage: { output_tokens: completion } }),
    terminator: named({ type: 'message_stop' }),
  },
  whole: (usage) =>
    JSON.stringify({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'native',
      content: [{ type: 'text', text: TEXT }],
      stop_reason: 'end_turn',
      usage,
    }),
  wholeUsage: ({ prompt, completion }) => ({ input_tokens: prompt, output_tokens: completion }),
  errorBody: JSON.stringify(anthropicError),
  errorEvent: named(anthropicError),
};

const candidate = (text: string, finishReason?: string) => ({
  candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0, ...(finishReason === undefined ? {} : { finishReason }) }],
});
const geminiUsage = ({ prompt, completion }: Counts) => ({
  promptTokenCount: prompt,
  candidatesTokenCount: completion,
  totalTokenCount: prompt + completion,
});
const geminiError = { error: { code: 500, message: MESSAGE, status: 'INTERNAL' } };

/** https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent */
const gemini: FailingWire = {
  like: 'google',
  stream: {
    preamble: event({ ...candidate(''), usageMetadata: { promptTokenCount: COUNTS.prompt, totalTokenCount: COUNTS.prompt } }),
    contents: PIECES.map((text) => event(candidate(text))) as [string, string, string],
    finish: event(candidate('', 'STOP')),
    usage: (counts) => event({ usageMetadata: geminiUsage(counts) }),
    terminator: '',
  },
  whole: (usage) => JSON.stringify({ ...candidate(TEXT, 'STOP'), usageMetadata: usage }),
  wholeUsage: geminiUsage,
  errorBody: JSON.stringify(geminiError),
  errorEvent: event(geminiError),
};

export type WireName = 'openai' | 'anthropic' | 'gemini';
export const FAILING_WIRES: Readonly<Record<WireName, FailingWire>> = { openai, anthropic, gemini };
