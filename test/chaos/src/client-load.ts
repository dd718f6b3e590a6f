import { seededRandom } from '@switchyard/testing';
import { Agent, request, type Dispatcher } from 'undici';
import { judgeStream, judgeWhole, type Verdict } from './answer.js';

/** What one client saw of its one request. Times are on the harness's monotonic clock. */
export interface Observation extends Verdict {
  readonly sequence: number;
  readonly ingress: string;
  readonly model: string;
  readonly isStreamed: boolean;
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  /** 0 without an answer. */
  readonly status: number;
  readonly generationId: string | undefined;
}

export interface ClientLoadOptions {
  readonly seed: number;
  readonly ingresses: readonly { readonly name: string; readonly url: string }[];
  readonly keys: readonly string[];
  readonly models: readonly string[];
  /** Each sends one request after the other. */
  readonly clientCount: number;
  readonly pauseMs: number;
  /** A client that waited this long gives up: far longer than anything the platform allows itself. */
  readonly patienceMs: number;
}

interface Plan {
  readonly ingress: { readonly name: string; readonly url: string };
  readonly key: string;
  readonly model: string;
  readonly isStreamed: boolean;
  readonly prompt: string;
  readonly expectedText: string;
  readonly maxTokens: number | undefined;
  /** It hangs up once this share of the answer is there. */
  readonly leavesAfter: number | undefined;
}

const STREAM_SHARE = 0.6;
const ECHO_SHARE = 0.4;
const LEAVE_SHARE = 0.04;
const MAX_WORDS = 80;
/** Far more than any answer here: a bound that clients set, and that is never met. */
const MAX_TOKENS = 600;

/** Clients that ask for answers they can foretell, and note what came. */
export class ClientLoad {
  readonly observations: Observation[] = [];
  private readonly random;
  private readonly agent: Agent;
  private readonly clients: Promise<void>[] = [];
  private sequence = 0;
  private isStopping = false;

  constructor(private readonly options: ClientLoadOptions) {
    this.random = seededRandom(options.seed);
    this.agent = new Agent({ connections: options.clientCount, keepAliveTimeout: 4_000, headersTimeout: options.patienceMs, bodyTimeout: options.patienceMs });
  }

  start(): void {
    for (let index = 0; index < this.options.clientCount; index++) this.clients.push(this.runClient());
  }

  /** Resolves when every request that was sent has ended. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.clients);
    await this.agent.destroy();
  }

  /** One request, as a probe: whether it came back whole. */
  async ask(ingress: { readonly name: string; readonly url: string }): Promise<Observation> {
    const observation = await this.send({ ...this.draw(), ingress, leavesAfter: undefined });
    this.observations.push(observation);
    return observation;
  }

  private async runClient(): Promise<void> {
    while (!this.isStopping) {
      this.observations.push(await this.send(this.draw()));
      await new Promise((done) => setTimeout(done, this.options.pauseMs));
    }
  }

  private draw(): Plan & { sequence: number } {
    const { ingresses, keys, models } = this.options;
    const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(this.random.nextFloat() * items.length)]!;
    const sequence = ++this.sequence;
    const model = pick(models);
    const wordCount = 1 + Math.floor(this.random.nextFloat() * MAX_WORDS);
    const echo = `request ${sequence} of the run with seed ${this.options.seed}`;
    const isEcho = this.random.nextFloat() < ECHO_SHARE;
    return {
      sequence,
      ingress: pick(ingresses),
      key: pick(keys),
      model,
      isStreamed: this.random.nextFloat() < STREAM_SHARE,
      prompt: isEcho ? echo : `say ${wordCount} words`,
      expectedText: isEcho ? echoed(model, echo) : Array.from({ length: wordCount }, (_, index) => `word${index + 1}`).join(' '),
      maxTokens: this.random.nextFloat() < 0.5 ? MAX_TOKENS : undefined,
      leavesAfter: this.random.nextFloat() < LEAVE_SHARE ? this.random.nextFloat() : undefined,
    };
  }

  private async send(plan: Plan & { sequence: number }): Promise<Observation> {
    const { sequence, ingress, model, isStreamed } = plan;
    const sentAtMs = performance.now();
    const giveUp = AbortSignal.timeout(this.options.patienceMs);
    const seen = { status: 0, generationId: undefined as string | undefined };
    const verdict = await this.exchange(plan, giveUp, seen).catch((error: unknown) => failureOf(error, giveUp.aborted));
    return { sequence, ingress: ingress.name, model, isStreamed, sentAtMs, endedAtMs: performance.now(), ...seen, ...verdict };
  }

  private async exchange(plan: Plan & { sequence: number }, signal: AbortSignal, seen: { status: number; generationId: string | undefined }): Promise<Verdict> {
    const response = await request(`${plan.ingress.url}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${plan.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: plan.model,
        stream: plan.isStreamed,
        user: `chaos-${plan.sequence}`,
        ...(plan.maxTokens === undefined ? {} : { max_tokens: plan.maxTokens }),
        messages: [{ role: 'user', content: plan.prompt }],
      }),
      dispatcher: this.agent,
      signal,
    });
    seen.status = response.statusCode;
    seen.generationId = generationIdOf(response.headers);
    const text = await this.read(response, plan);
    if (text === undefined) return { outcome: 'left' };
    const isStream = String(response.headers['content-type']).startsWith('text/event-stream');
    return isStream ? judgeStream(text, plan.expectedText) : judgeWhole(response.statusCode, text, plan.expectedText);
  }

  /** Undefined: this client hung up. */
  private async read(response: Dispatcher.ResponseData, plan: Plan): Promise<string | undefined> {
    const leavesAt = plan.leavesAfter === undefined ? Number.POSITIVE_INFINITY : plan.leavesAfter * plan.expectedText.length;
    const decoder = new TextDecoder();
    let text = '';
    for await (const piece of response.body as AsyncIterable<Uint8Array>) {
      text += decoder.decode(piece, { stream: true });
      if (text.length < leavesAt || text.includes('[DONE]')) continue;
      response.body.destroy();
      return undefined;
    }
    return text;
  }
}

/** What a simulated provider answers where it is told nothing else. */
function echoed(model: string, prompt: string): string {
  return `${model.split('/').at(-1)} heard: "${prompt}". This answer comes from a simulated provider.`;
}

function generationIdOf(headers: Readonly<Record<string, string | string[] | undefined>>): string | undefined {
  const id = headers['x-generation-id'];
  return typeof id === 'string' ? id : undefined;
}

function failureOf(error: unknown, gaveUp: boolean): Verdict {
  if (gaveUp) return { outcome: 'hung' };
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const text = `${code} ${error instanceof Error ? error.message : String(error)}`.trim();
  return { outcome: code === 'ECONNREFUSED' ? 'unconnected' : 'reset', detail: text };
}
