import { call, eventsOf } from '@switchyard/test-platform';
import type { RacePlatform } from './race-platform.js';

/** What one request's client was told. */
export interface Outcome {
  readonly ingress: number;
  readonly status: number;
  readonly generationId: string;
  /** `usage.cost` of the answer; 0 when there was none. */
  readonly costPico: bigint;
  /** The error's sentence and metadata, when it was one. */
  readonly message: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly retryAfter: string | undefined;
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

interface Usage {
  readonly cost: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
}

interface Body {
  readonly id?: string;
  readonly usage?: Usage;
  readonly error?: { readonly message: string; readonly metadata?: Readonly<Record<string, unknown>> };
}

export interface Request {
  readonly model: string;
  readonly words: number;
  readonly isStreamed: boolean;
  readonly maxTokens?: number | undefined;
}

export const picoOf = (usd: number): bigint => BigInt(Math.round(usd * 1e12));
export const sumPico = (amounts: readonly bigint[]): bigint => amounts.reduce((sum, amount) => sum + amount, 0n);
export const costOf = (outcomes: readonly Outcome[]): bigint => sumPico(outcomes.map((outcome) => outcome.costPico));
export const statusesOf = (outcomes: readonly Outcome[]): number[] => [...new Set(outcomes.map((outcome) => outcome.status))].sort();

/** Answers of these need no more than this: a longer wait is a hang. */
const PATIENCE_MS = 30_000;

export async function ask(
  race: RacePlatform,
  ingress: number,
  key: string,
  request: Request,
  urls: readonly string[] = race.platform.ingressUrls!,
): Promise<Outcome> {
  const sentAtMs = race.nowMs();
  const { status, headers, text, body } = await call<Body>(urls[ingress % urls.length]!, '/chat/completions', {
    key,
    body: {
      model: request.model,
      messages: [{ role: 'user', content: `say ${request.words} words` }],
      ...(request.maxTokens === undefined ? {} : { max_tokens: request.maxTokens }),
      ...(request.isStreamed ? { stream: true } : {}),
    },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const last = status === 200 && request.isStreamed ? lastOf(text) : body;
  return {
    ingress: ingress % urls.length,
    status,
    generationId: String(headers['x-generation-id'] ?? last.id ?? ''),
    costPico: last.usage ? picoOf(last.usage.cost) : 0n,
    message: last.error?.message ?? '',
    metadata: last.error?.metadata ?? {},
    retryAfter: headers['retry-after'] === undefined ? undefined : String(headers['retry-after']),
    sentAtMs,
    endedAtMs: race.nowMs(),
    promptTokens: last.usage?.prompt_tokens ?? 0,
    completionTokens: last.usage?.completion_tokens ?? 0,
  };
}

/** The event of a stream that carries its usage; a stream without its end is told as a failure. */
function lastOf(text: string): Body {
  if (!text.includes('data: [DONE]')) throw new Error(`a stream ended without [DONE]: ${text.slice(-300)}`);
  return eventsOf<Body>(text).at(-1) ?? {};
}

/** Requests of every kind in turn: whole and streamed, with and without a cap, short and long, at one ingress after the other. */
export function mixedRequest(model: string, sequence: number): Request {
  return { model, words: 5 + ((sequence * 7) % 40), isStreamed: sequence % 2 === 0, maxTokens: sequence % 4 < 2 ? 100 : undefined };
}

/** `clientCount` clients that each send one request after the other while `next` gives one. */
export async function runClients(
  clientCount: number,
  next: (client: number, round: number, previous: Outcome | undefined) => Promise<Outcome> | undefined,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const clients = Array.from({ length: clientCount }, async (_, client) => {
    let previous: Outcome | undefined;
    for (let round = 0; ; round++) {
      const asked = next(client, round, previous);
      if (!asked) return;
      previous = await asked;
      outcomes.push(previous);
    }
  });
  await Promise.all(clients);
  return outcomes;
}
