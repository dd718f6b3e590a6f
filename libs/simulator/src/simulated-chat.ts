import { instanceOf } from './schema-instance.js';

/** A request as every simulated dialect reads it. */
export interface SimulatedRequest {
  readonly model: string;
  /** Everything the client wrote, joined. */
  readonly promptText: string;
  readonly lastUserText: string;
  readonly imageCount: number;
  readonly stream: boolean;
  readonly maxTokens: number | undefined;
  /** Those that may be called. */
  readonly tools: readonly SimulatedTool[];
  /** A tool must be called: `any`, or this one. */
  readonly forcedTool: string | undefined;
  readonly mayCallMany: boolean;
  readonly jsonSchema: unknown;
  readonly wantsJson: boolean;
  readonly reasoning: boolean;
  /** The last message is a tool's result: answer with text. */
  readonly isAfterTool: boolean;
  /** The assistant's turn was begun by the client: continue it. */
  readonly prefill: string;
  readonly stop: readonly string[];
}

export interface SimulatedTool {
  readonly name: string;
  readonly schema: unknown;
}

export interface SimulatedToolCall {
  readonly id: string;
  readonly name: string;
  readonly argumentsJson: string;
}

/** What a simulated model answers: always the same for the same request. */
export interface SimulatedAnswer {
  readonly reasoningWords: readonly string[];
  /** Pieces of text whose concatenation is the answer. */
  readonly words: readonly string[];
  readonly toolCalls: readonly SimulatedToolCall[];
  /** `none`: the upstream gives no reason. */
  readonly finish: 'stop' | 'length' | 'tool_calls' | 'none';
  /** The text of `stop` that ended it. */
  readonly stopSequence: string | undefined;
  readonly usage: SimulatedUsage;
}

export interface SimulatedUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Part of outputTokens. */
  readonly reasoningTokens: number;
}

const BYTES_PER_TOKEN = 4;
const TOKENS_PER_IMAGE = 85;

/** Tokens of a text by size; prompts and answers are counted the same way. */
export function simulatedTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

/** Milliseconds between words that the user asks for: "say 100 words 500 ms apart" lasts 50 seconds. Undefined: the provider's own pace. */
export function pauseAskedForMs(request: SimulatedRequest): number | undefined {
  const digits = / (\d{1,5}) ms apart/i.exec(request.lastUserText)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Answers are made from the prompt: a tool call when a tool is forced or the user names one, JSON that fits the schema
 * when one is given, else text. "say N words" gives exactly that many, "say nothing" an empty answer, "say nothing at all" one without a finish reason.
 */
export function answerOf(request: SimulatedRequest): SimulatedAnswer {
  const inputTokens = Math.max(1, simulatedTokens(request.promptText)) + request.imageCount * TOKENS_PER_IMAGE;
  const thoughts = request.reasoning ? pieces('Considering the question and what is known about it.') : [];
  const reasoningWords = withinTokens(thoughts, request.maxTokens);
  const reasoningTokens = simulatedTokens(reasoningWords.join(''));
  const tokensLeft = request.maxTokens === undefined ? undefined : request.maxTokens - reasoningTokens;
  const said = reasoningWords.length < thoughts.length ? NOTHING_SAID : (callsWithin(request, tokensLeft) ?? wordsWithin(request, tokensLeft));
  return { reasoningWords, ...said, usage: { inputTokens, outputTokens: reasoningTokens + tokensSaid(said), reasoningTokens } };
}

type Said = Pick<SimulatedAnswer, 'words' | 'toolCalls' | 'finish' | 'stopSequence'>;

/** The tokens were used up before. */
const NOTHING_SAID: Said = { words: [], toolCalls: [], finish: 'length', stopSequence: undefined };

/** Undefined: no tool is to be called. */
function callsWithin(request: SimulatedRequest, maxTokens = Number.POSITIVE_INFINITY): Said | undefined {
  const toolCalls = request.isAfterTool ? [] : toolCallsOf(request);
  if (toolCalls.length === 0) return undefined;
  const calls: Said = { words: [], toolCalls, finish: 'tool_calls', stopSequence: undefined };
  return tokensSaid(calls) > maxTokens ? NOTHING_SAID : calls;
}

function wordsWithin(request: SimulatedRequest, maxTokens: number | undefined): Said {
  const { text, stopSequence } = cutAtStop(textOf(request), request.stop);
  const all = pieces(text);
  const words = withinTokens(all, maxTokens);
  if (words.length < all.length) return { words, toolCalls: [], finish: 'length', stopSequence: undefined };
  return { words, toolCalls: [], finish: /say nothing at all/i.test(request.lastUserText) ? 'none' : 'stop', stopSequence };
}

function tokensSaid({ words, toolCalls }: Said): number {
  return toolCalls.reduce((sum, call) => sum + simulatedTokens(call.name + call.argumentsJson), simulatedTokens(words.join('')));
}

function toolCallsOf(request: SimulatedRequest): SimulatedToolCall[] {
  const forced = request.forcedTool;
  const named = request.tools.filter((tool) => (forced === undefined ? request.lastUserText.includes(tool.name) : forced === 'any' || forced === tool.name));
  const called = forced === 'any' || !request.mayCallMany ? named.slice(0, 1) : named;
  return called.map((tool, index) => ({
    id: `call_${hashOf(request.promptText)}_${index}`,
    name: tool.name,
    argumentsJson: JSON.stringify(instanceOf(tool.schema)),
  }));
}

function textOf(request: SimulatedRequest): string {
  if (request.jsonSchema !== undefined) return JSON.stringify(instanceOf(request.jsonSchema));
  if (request.wantsJson) return JSON.stringify({ answer: request.lastUserText.slice(0, 200) });
  if (/say nothing/i.test(request.lastUserText)) return '';
  const count = Number(/say (\d{1,6}) words/i.exec(request.lastUserText)?.[1] ?? 0);
  if (count > 0) return Array.from({ length: count }, (_, index) => `word${index + 1}`).join(' ');
  const start = request.prefill === '' ? `${request.model} heard: ` : '';
  return `${start}"${request.lastUserText.slice(0, 400)}". This answer comes from a simulated provider.`;
}

/** Words with their leading space, so that joining them gives the text back. */
function pieces(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

function cutAtStop(text: string, stop: readonly string[]): { readonly text: string; readonly stopSequence: string | undefined } {
  const places = stop.map((sequence) => ({ sequence, at: text.indexOf(sequence) })).filter(({ at }) => at >= 0);
  const [first] = places.sort((a, b) => a.at - b.at);
  return first ? { text: text.slice(0, first.at), stopSequence: first.sequence } : { text, stopSequence: undefined };
}

function withinTokens(words: readonly string[], maxTokens: number | undefined): string[] {
  if (maxTokens === undefined) return [...words];
  const kept: string[] = [];
  let text = '';
  for (const word of words) {
    text += word;
    if (simulatedTokens(text) > maxTokens) break;
    kept.push(word);
  }
  return kept;
}

/** A short, stable name for a text. */
export function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return hash.toString(36);
}
