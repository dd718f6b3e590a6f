import { hashOf, type SimulatedAnswer, type SimulatedRequest } from './simulated-chat.js';
import type { SimulatedRefusal, SimulatedWire } from './simulated-wire.js';

interface Part {
  readonly text?: string;
  readonly inlineData?: unknown;
  readonly fileData?: unknown;
  readonly functionResponse?: unknown;
}
interface Content {
  readonly role?: string;
  readonly parts?: readonly Part[];
}
interface Body {
  readonly contents?: readonly Content[];
  readonly systemInstruction?: Content;
  readonly tools?: readonly {
    readonly functionDeclarations?: readonly { readonly name?: string; readonly parameters?: unknown; readonly parametersJsonSchema?: unknown }[];
  }[];
  readonly toolConfig?: { readonly functionCallingConfig?: { readonly mode?: string; readonly allowedFunctionNames?: readonly string[] } };
  readonly generationConfig?: {
    readonly maxOutputTokens?: number;
    readonly stopSequences?: readonly string[];
    readonly responseMimeType?: string;
    readonly responseSchema?: unknown;
    readonly responseJsonSchema?: unknown;
    readonly thinkingConfig?: { readonly includeThoughts?: boolean; readonly thinkingBudget?: number };
  };
}

const FINISH_REASONS = { stop: 'STOP', length: 'MAX_TOKENS', tool_calls: 'STOP', none: undefined } as const;

/** Google's generateContent and streamGenerateContent (https://ai.google.dev/api/generate-content). */
export const geminiWire: SimulatedWire = {
  read(raw: unknown, path: string): SimulatedRequest {
    const body = raw as Body;
    const contents = body.contents ?? [];
    const config = body.generationConfig ?? {};
    const calling = body.toolConfig?.functionCallingConfig;
    const last = contents.at(-1);
    const users = contents.filter((content) => content.role !== 'model' && textOf(content) !== '');
    return {
      model: geminiModelOf(path),
      promptText: [textOf(body.systemInstruction), ...contents.map(textOf)].join('\n'),
      lastUserText: textOf(users.at(-1)),
      imageCount: contents.reduce((sum, content) => sum + (content.parts ?? []).filter((part) => part.inlineData ?? part.fileData).length, 0),
      stream: path.includes(':streamGenerateContent'),
      maxTokens: config.maxOutputTokens,
      tools: (calling?.mode === 'NONE' ? [] : (body.tools ?? []))
        .flatMap((tool) => tool.functionDeclarations ?? [])
        .map((tool) => ({ name: tool.name ?? '', schema: tool.parametersJsonSchema ?? tool.parameters })),
      forcedTool: calling?.mode === 'ANY' ? (calling.allowedFunctionNames?.[0] ?? 'any') : undefined,
      mayCallMany: true,
      jsonSchema: config.responseJsonSchema ?? config.responseSchema,
      wantsJson: config.responseMimeType === 'application/json',
      reasoning: config.thinkingConfig?.includeThoughts === true,
      isAfterTool: (last?.parts ?? []).some((part) => part.functionResponse !== undefined),
      prefill: last?.role === 'model' ? textOf(last) : '',
      stop: config.stopSequences ?? [],
    };
  },

  whole(request: SimulatedRequest, answer: SimulatedAnswer): unknown {
    return response(request, [...thoughts(answer.reasoningWords.join('')), ...text(answer.words.join('')), ...calls(request, answer)], answer, true);
  },

  *stream(request: SimulatedRequest, answer: SimulatedAnswer): Generator<string> {
    for (const word of answer.reasoningWords) yield event(response(request, thoughts(word), answer, false));
    for (const word of answer.words) yield event(response(request, text(word), answer, false));
    yield event(response(request, answer.toolCalls.length > 0 ? calls(request, answer) : [{ text: '' }], answer, true));
  },

  errorFrame: () => event({ error: { code: 503, message: 'The simulated model is overloaded.', status: 'UNAVAILABLE' } }),

  refusal(kind) {
    switch (kind) {
      case 'rate_limit':
        return refused(429, 'RESOURCE_EXHAUSTED', 'Simulated quota exceeded.');
      case 'server_error':
        return refused(500, 'INTERNAL', 'The simulated server had an error.');
      case 'context_length':
        return refused(400, 'INVALID_ARGUMENT', 'The input token count (11) exceeds the maximum number of tokens allowed (10).');
      // A blocked prompt is an answer without candidates (https://ai.google.dev/api/generate-content#BlockReason).
      case 'moderation':
        return { status: 200, body: { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, usageMetadata: { promptTokenCount: 1, totalTokenCount: 1 } } };
    }
  },
};

export function geminiModelOf(path: string): string {
  return /models\/([^:/]+)/.exec(path)?.[1] ?? '';
}

function refused(status: number, name: string, message: string): SimulatedRefusal {
  return { status, body: { error: { code: status, message, status: name } } };
}

function response(request: SimulatedRequest, parts: object[], answer: SimulatedAnswer, isLast: boolean): object {
  const { inputTokens, outputTokens, reasoningTokens } = answer.usage;
  const usage = isLast
    ? {
        promptTokenCount: inputTokens,
        candidatesTokenCount: outputTokens - reasoningTokens,
        thoughtsTokenCount: reasoningTokens,
        totalTokenCount: inputTokens + outputTokens,
      }
    : { promptTokenCount: inputTokens, totalTokenCount: inputTokens };
  return {
    candidates: [{ content: { role: 'model', parts }, index: 0, ...(isLast ? { finishReason: FINISH_REASONS[answer.finish] } : {}) }],
    usageMetadata: usage,
    modelVersion: request.model,
    responseId: hashOf(request.promptText),
  };
}

function thoughts(text: string): object[] {
  return text === '' ? [] : [{ text, thought: true }];
}

function text(value: string): object[] {
  return value === '' ? [] : [{ text: value }];
}

function calls(request: SimulatedRequest, answer: SimulatedAnswer): object[] {
  return answer.toolCalls.map((call) => ({
    functionCall: { name: call.name, args: JSON.parse(call.argumentsJson) as object },
    thoughtSignature: Buffer.from(`simulated-thought-${hashOf(request.promptText)}`).toString('base64'),
  }));
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\r\n\r\n`;
}

function textOf(content: Content | undefined): string {
  return (content?.parts ?? []).map((part) => part.text ?? '').join('');
}
