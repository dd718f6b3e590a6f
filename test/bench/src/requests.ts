/** Where requests come from. A buffer is the connection's own until its request is answered. */
export interface RequestSource {
  next(connectionIndex: number): Buffer;
}

export interface RequestTarget {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

const SEQUENCE_DIGITS = 10;
const SEQUENCE_SLOT = '#'.repeat(SEQUENCE_DIGITS);
const FAIL_SLOT = '?';
/** What the upstream looks for: a mark of the request, and whether its first attempt is to fail. */
export const MARK = 'request ';
const ZERO = 48;
const KEY_STEP = 389;
const [FAILS, WORKS] = ['!'.charCodeAt(0), '.'.charCodeAt(0)];

/** The same request again and again. */
export function sameRequest(target: RequestTarget, body: string): RequestSource {
  const request = Buffer.from(head(target, {}, Buffer.byteLength(body)) + body);
  return { next: () => request };
}

export interface SpreadOptions {
  /** All of one length. */
  readonly keys: readonly string[];
  /** All of one length. */
  readonly models: readonly string[];
  /** One in so many requests is marked so that the upstream fails its first attempt. */
  readonly failOneIn: number;
  readonly connections: number;
}

/** Requests that all differ: another key, another model, a prompt with a number of its own. Written in place, to cost next to nothing. */
export class SpreadRequests implements RequestSource {
  private readonly keys: readonly Buffer[];
  private readonly models: readonly Buffer[];
  private readonly templates: readonly Buffer[];
  private readonly keyAt: number;
  private readonly modelAt: number;
  private readonly sequenceAt: number;
  private readonly failAt: number;
  private readonly failOneIn: number;
  private sequence = 0;

  constructor(target: RequestTarget, options: SpreadOptions) {
    this.keys = sameLength(options.keys);
    this.models = sameLength(options.models);
    this.failOneIn = options.failOneIn;
    const [key, model] = [options.keys[0]!, options.models[0]!];
    const body = chatBody({ model, prompt: `${MARK}${SEQUENCE_SLOT}${FAIL_SLOT} Write one sentence about a fox and a dog.` });
    const text = head(target, { authorization: `Bearer ${key}` }, Buffer.byteLength(body)) + body;
    this.keyAt = text.indexOf(key);
    this.modelAt = text.indexOf(model, text.indexOf('\r\n\r\n'));
    this.sequenceAt = text.indexOf(SEQUENCE_SLOT);
    this.failAt = this.sequenceAt + SEQUENCE_DIGITS;
    this.templates = Array.from({ length: options.connections }, () => Buffer.from(text));
  }

  next(connectionIndex: number): Buffer {
    const request = this.templates[connectionIndex]!;
    const sequence = ++this.sequence;
    // A step without a common factor visits every key once a round; with each round a key's model is the next one.
    const keyIndex = (sequence * KEY_STEP) % this.keys.length;
    const round = Math.floor((sequence - 1) / this.keys.length);
    request.set(this.keys[keyIndex]!, this.keyAt);
    request.set(this.models[(keyIndex + round) % this.models.length]!, this.modelAt);
    let rest = sequence;
    for (let index = this.sequenceAt + SEQUENCE_DIGITS - 1; index >= this.sequenceAt; index--) {
      request[index] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    request[this.failAt] = sequence % this.failOneIn === 0 ? FAILS : WORKS;
    return request;
  }
}

/** Whether the first attempt of the request with this body is to fail; its number, or undefined. */
export function numberToFail(body: string): string | undefined {
  const at = body.indexOf(MARK);
  if (at === -1 || body.charCodeAt(at + MARK.length + SEQUENCE_DIGITS) !== FAILS) return undefined;
  return body.slice(at + MARK.length, at + MARK.length + SEQUENCE_DIGITS);
}

/** `paceMs`: how far apart the upstream sends the deltas of a stream. */
export function chatBody(request: { readonly model: string; readonly prompt: string; readonly paceMs?: number }): string {
  const { model, prompt, paceMs } = request;
  const isStream = paceMs !== undefined;
  const content = isStream ? `pace=${paceMs} ${prompt}` : prompt;
  return JSON.stringify({ model, max_tokens: 200, ...(isStream ? { stream: true } : {}), messages: [{ role: 'user', content }] });
}

function head(target: RequestTarget, further: Readonly<Record<string, string>>, length: number): string {
  const headers = { host: `127.0.0.1:${target.port}`, 'content-type': 'application/json', ...target.headers, ...further, 'content-length': String(length) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${target.path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

function sameLength(texts: readonly string[]): readonly Buffer[] {
  const buffers = texts.map((text) => Buffer.from(text));
  if (buffers.some((buffer) => buffer.length !== buffers[0]!.length)) throw new Error('Keys, and models, must be of one length: they are written in place.');
  return buffers;
}
