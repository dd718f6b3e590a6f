import { setTimeout as delay } from 'node:timers/promises';

export interface BilledChatOptions {
  /** `http://host:port/api/v1` */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
  readonly message: string;
  /** For all of it. */
  readonly timeoutMs: number;
}

/** A streamed chat that was answered whole and charged once. */
export interface BilledChat {
  readonly generationId: string;
  readonly costUsd: number;
  readonly firstContentMs: number;
  readonly durationMs: number;
}

/** The chat was not answered, or not charged as it said: a sentence for people. */
export class ChatFailure extends Error {}

interface Chunk {
  readonly id?: string;
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
  readonly usage?: { readonly cost?: number } | null;
  readonly error?: { readonly message?: string };
}

const PAUSE_MS = 100;
/** Usage of a key is told in USD as a number: sums of many charges are rounded. */
const ROUNDING_USD = 1e-9;

/**
 * Sends one streamed chat as a customer would, and waits until the accounting record tells the cost that the stream told, and the key's usage
 * holds it.
 * @throws ChatFailure
 */
export async function sendBilledChat(options: BilledChatOptions): Promise<BilledChat> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  try {
    const usageBeforeUsd = await keyUsageUsd(options, signal);
    const chat = await streamChat(options, signal);
    await until(signal, async () => (await recordedCostUsd(options, chat.generationId, signal)) === chat.costUsd);
    await until(signal, async () => (await keyUsageUsd(options, signal)) >= usageBeforeUsd + chat.costUsd - ROUNDING_USD);
    return chat;
  } catch (error) {
    if (error instanceof ChatFailure) throw error;
    if (signal.aborted) throw new ChatFailure(`The chat was not answered and charged within ${options.timeoutMs / 1000} s.`, { cause: error });
    throw new ChatFailure(`${options.baseUrl} cannot be reached: ${reasonOf(error)}.`, { cause: error });
  }
}

async function streamChat(options: BilledChatOptions, signal: AbortSignal): Promise<BilledChat> {
  const startMs = performance.now();
  const { model, message } = options;
  const body = { model, messages: [{ role: 'user', content: message }], stream: true, usage: { include: true } };
  const response = await request(options, '/chat/completions', signal, body);
  if (!response.ok || response.body === null) throw new ChatFailure(`The chat was answered with ${response.status}: ${await errorOf(response)}`);
  let [generationId, text, costUsd, firstContentMs, isWhole] = ['', '', undefined as number | undefined, undefined as number | undefined, false];
  for await (const data of eventData(response.body)) {
    if (data === '[DONE]') {
      isWhole = true;
      continue;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new ChatFailure(`The stream ended in an error: ${chunk.error.message ?? 'without a message'}`);
    const content = chunk.choices?.[0]?.delta?.content ?? '';
    if (content !== '') firstContentMs ??= performance.now() - startMs;
    generationId = chunk.id ?? generationId;
    text += content;
    costUsd = chunk.usage?.cost ?? costUsd;
  }
  if (!isWhole) throw new ChatFailure('The stream was cut.');
  if (text === '' || firstContentMs === undefined) throw new ChatFailure('The answer was empty.');
  if (costUsd === undefined) throw new ChatFailure('The stream told no cost.');
  return { generationId, costUsd, firstContentMs, durationMs: performance.now() - startMs };
}

/** The data of each event of a stream; comments are left out. */
async function* eventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    const events = (rest + piece).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) if (event.startsWith('data: ')) yield event.slice('data: '.length);
  }
}

/** Undefined while there is no record yet. */
async function recordedCostUsd(options: BilledChatOptions, generationId: string, signal: AbortSignal): Promise<number | undefined> {
  const response = await request(options, `/generation?id=${encodeURIComponent(generationId)}`, signal);
  if (!response.ok) return undefined;
  return ((await response.json()) as { data: { total_cost: number } }).data.total_cost;
}

async function keyUsageUsd(options: BilledChatOptions, signal: AbortSignal): Promise<number> {
  const response = await request(options, '/key', signal);
  if (!response.ok) throw new ChatFailure(`The key was answered with ${response.status}: ${await errorOf(response)}`);
  return ((await response.json()) as { data: { usage: number } }).data.usage;
}

function request({ baseUrl, apiKey }: BilledChatOptions, path: string, signal: AbortSignal, body?: object): Promise<Response> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  return fetch(baseUrl.replace(/\/$/, '') + path, { signal, headers, ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }) });
}

async function until(signal: AbortSignal, condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(PAUSE_MS, undefined, { signal });
}

async function errorOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return (JSON.parse(text) as { error: { message: string } }).error.message;
  } catch {
    return text.slice(0, 200);
  }
}

function reasonOf(error: unknown): string {
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
