import { mulberry32 } from './fault-plan.js';
import { geminiModelOf, geminiWire } from './gemini-wire.js';
import { openaiChatWire } from './openai-chat-wire.js';
import { hashOf, simulatedTokens } from './simulated-chat.js';
import type { SimulatedWire } from './simulated-wire.js';

/** How a dialect's embeddings are asked for, given and refused. */
export interface EmbeddingsWire {
  readonly refusal: SimulatedWire['refusal'];
  modelOf(body: unknown, path: string): string;
  answer(body: unknown): object;
}

export const openaiEmbeddingsWire: EmbeddingsWire = {
  refusal: (kind) => openaiChatWire.refusal(kind),
  modelOf: (body) => (body as OpenaiBody).model ?? '',
  answer: openaiEmbeddings,
};

export const geminiEmbeddingsWire: EmbeddingsWire = {
  refusal: (kind) => geminiWire.refusal(kind),
  modelOf: (_body, path) => geminiModelOf(path),
  answer: geminiEmbeddings,
};

const DEFAULT_DIMENSIONS = 256;

interface OpenaiBody {
  readonly model?: string;
  readonly input?: string | readonly (string | number | readonly number[])[];
  readonly dimensions?: number;
  readonly encoding_format?: string;
}

/** OpenAI's embeddings (https://platform.openai.com/docs/api-reference/embeddings): the same text gives the same vector. */
function openaiEmbeddings(raw: unknown): object {
  const body = raw as OpenaiBody;
  const input = body.input ?? '';
  const texts =
    typeof input === 'string'
      ? [input]
      : typeof input[0] === 'number'
        ? [input.join(' ')]
        : input.map((item) => (typeof item === 'string' ? item : String(item)));
  const tokens = texts.reduce((sum, text) => sum + Math.max(1, simulatedTokens(text)), 0);
  return {
    object: 'list',
    model: body.model ?? '',
    data: texts.map((text, index) => ({ object: 'embedding', index, embedding: encoded(vectorOf(text, body.dimensions), body.encoding_format) })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

interface GeminiBody {
  readonly requests?: readonly { readonly content?: { readonly parts?: readonly { readonly text?: string }[] }; readonly outputDimensionality?: number }[];
}

/** Google's batchEmbedContents (https://ai.google.dev/api/embeddings). */
function geminiEmbeddings(raw: unknown): object {
  const requests = (raw as GeminiBody).requests ?? [];
  const texts = requests.map((request) => (request.content?.parts ?? []).map((part) => part.text ?? '').join(''));
  return {
    embeddings: requests.map((request, index) => ({ values: [...vectorOf(texts[index] ?? '', request.outputDimensionality)] })),
    usageMetadata: { promptTokenCount: texts.reduce((sum, text) => sum + Math.max(1, simulatedTokens(text)), 0) },
  };
}

/** A unit vector that depends on nothing but the text. */
function vectorOf(text: string, dimensions = DEFAULT_DIMENSIONS): Float32Array {
  const seed = Number.parseInt(hashOf(text), 36);
  const values = Float32Array.from({ length: dimensions }, (_, index) => mulberry32((seed + index * 0x9e3779b9) >>> 0) - 0.5);
  const length = Math.hypot(...values) || 1;
  return values.map((value) => value / length);
}

function encoded(vector: Float32Array, format: string | undefined): string | number[] {
  return format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector];
}
