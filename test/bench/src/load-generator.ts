import { connect, type Socket } from 'node:net';
import { LatencyHistogram } from './latency-histogram.js';
import type { RequestSource } from './requests.js';

export interface LoadOptions {
  readonly port: number;
  readonly requests: RequestSource;
  readonly connections: number;
  /** Requests a second over all connections; as fast as they are answered unless given. */
  readonly ratePerSecond?: number;
  /** Deltas that every stream must bring; whole answers unless given. */
  readonly deltasPerStream?: number;
  /** Connections begin one after the other over so long. */
  readonly rampMs?: number;
  /** Looks at one answer in so many, from the body on. @throws Error when it is not right */
  readonly check?: (body: string) => void;
  /** Whether the costs that answers name are added up. */
  readonly collectsCosts?: boolean;
}

/** What happened since the start, or since `reset`. */
export interface LoadCounters {
  readonly answered: number;
  readonly failed: number;
  readonly deltas: number;
  /** From the request's first byte to the answer's last. */
  readonly latency: LatencyHistogram;
  /** From the request to the first delta of a stream. */
  readonly firstDelta: LatencyHistogram;
  /** Between pieces with deltas of one stream. */
  readonly gap: LatencyHistogram;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH_NAME = Buffer.from('ength: ');
const DELTA = Buffer.from('"content":" w');
const DONE = Buffer.from('data: [DONE]');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const COST = Buffer.from('"cost":');
const NOTHING = Buffer.alloc(0);
const NEW_LINE = 10;
const CHECK_ONE_IN = 997;
const MOST_EXAMPLES = 5;
const TICK_MS = 1;
const CONNECT_AGAIN_MS = 50;

/**
 * Keeps requests under way over plain sockets. It parses as little as can be, so that on the core it shares with the
 * upstream it is not what is measured: the status of every answer, its length, and of some the content.
 */
export class Load {
  readonly counters = { answered: 0, failed: 0, deltas: 0, latency: new LatencyHistogram(), firstDelta: new LatencyHistogram(), gap: new LatencyHistogram() };
  /** How often each cost was named, since the start. */
  readonly costs = new Map<string, number>();
  /** Answers that were not right, since the start. */
  failedInAll = 0;
  /** The first few of them. */
  readonly failures: string[] = [];
  private readonly connections: Connection[] = [];
  private readonly idle: Connection[] = [];
  private readonly startMs = performance.now();
  private ticker: NodeJS.Timeout | undefined;
  private started = 0;
  private sampled = 0;
  private isStopping = false;

  private constructor(private readonly options: LoadOptions) {}

  static async start(options: LoadOptions): Promise<Load> {
    const load = new Load(options);
    for (let index = 0; index < options.connections; index++) load.connections.push(await Connection.open(index, options, load));
    if (options.ratePerSecond !== undefined) {
      load.idle.push(...load.connections);
      load.ticker = setInterval(() => load.sendWhatIsDue(), TICK_MS);
    } else {
      for (const connection of load.connections) setTimeout(() => connection.send(), ((options.rampMs ?? 0) * connection.index) / options.connections);
    }
    return load;
  }

  /** Counts from here; costs and failures stay. */
  reset(): void {
    const { counters } = this;
    counters.answered = counters.failed = counters.deltas = 0;
    for (const histogram of [counters.latency, counters.firstDelta, counters.gap]) histogram.reset();
  }

  /** Sends nothing more; resolves to how many requests were not answered in this time. */
  async stop(patienceMs = 10_000): Promise<number> {
    this.isStopping = true;
    clearInterval(this.ticker);
    const deadlineMs = performance.now() + patienceMs;
    const waiting = () => this.connections.filter((connection) => connection.isWaiting).length;
    while (waiting() > 0 && performance.now() < deadlineMs) await new Promise((done) => setTimeout(done, 5));
    const unanswered = waiting();
    for (const connection of this.connections) connection.close();
    return unanswered;
  }

  /** The longest time that a connection has waited for its next bytes, in milliseconds. */
  longestSilenceMs(): number {
    const nowMs = performance.now();
    return Math.max(0, ...this.connections.filter((connection) => connection.isWaiting).map((connection) => nowMs - connection.lastDataMs));
  }

  ended(connection: Connection, problem: string | undefined): void {
    if (problem === undefined) this.counters.answered++;
    else this.fail(problem);
    if (this.isStopping) return;
    if (this.options.ratePerSecond === undefined) return connection.send();
    this.idle.push(connection);
    this.sendWhatIsDue();
  }

  /** Whether this answer is one of those to look at. */
  takesSample(): boolean {
    return this.options.check !== undefined && this.sampled++ % CHECK_ONE_IN === 0;
  }

  private fail(problem: string): void {
    this.counters.failed++;
    this.failedInAll++;
    if (this.failures.length < MOST_EXAMPLES) this.failures.push(problem);
  }

  private sendWhatIsDue(): void {
    const due = ((performance.now() - this.startMs) * this.options.ratePerSecond!) / 1_000;
    while (this.started < due && this.idle.length > 0) {
      this.started++;
      this.idle.pop()!.send();
    }
  }
}

/** One keep-alive connection with one request at a time. It connects again when it is cut. */
class Connection {
  isWaiting = false;
  lastDataMs = 0;
  private sentMs = 0;
  private received: Buffer = NOTHING;
  private status = 0;
  private deltas = 0;
  private lastDeltaMs = 0;
  private isDone = false;
  private isClosed = false;

  private constructor(
    readonly index: number,
    private readonly options: LoadOptions,
    private readonly load: Load,
    private socket: Socket,
  ) {
    this.listen();
  }

  static async open(index: number, options: LoadOptions, load: Load): Promise<Connection> {
    return new Connection(index, options, load, await openSocket(options.port));
  }

  send(): void {
    this.received = NOTHING;
    this.status = 0;
    this.deltas = 0;
    this.isDone = false;
    this.isWaiting = true;
    this.sentMs = this.lastDataMs = performance.now();
    this.socket.write(this.options.requests.next(this.index));
  }

  close(): void {
    this.isClosed = true;
    this.socket.destroy();
  }

  private listen(): void {
    const { socket } = this;
    const read = this.options.deltasPerStream === undefined ? (piece: Buffer) => this.readWhole(piece) : (piece: Buffer) => this.readStream(piece);
    socket.setNoDelay(true);
    socket.on('data', read);
    socket.on('error', () => undefined);
    socket.on('close', () => void this.reconnect());
  }

  private async reconnect(): Promise<void> {
    while (!this.isClosed) {
      try {
        this.socket = await openSocket(this.options.port);
        this.listen();
        if (this.isWaiting) this.end('the connection was cut');
        return;
      } catch {
        await new Promise((done) => setTimeout(done, CONNECT_AGAIN_MS));
      }
    }
  }

  private readWhole(piece: Buffer): void {
    this.lastDataMs = performance.now();
    const received = (this.received = this.received.length === 0 ? piece : Buffer.concat([this.received, piece]));
    const headEnd = received.indexOf(HEAD_END);
    if (headEnd === -1) return;
    const bodyAt = headEnd + HEAD_END.length;
    const length = contentLength(received, headEnd);
    if (length === undefined ? !endsWith(received, LAST_CHUNK) : received.length < bodyAt + length) return;
    const status = statusOf(received);
    if (status !== 200) return this.end(`${status}: ${received.toString('utf8', bodyAt, bodyAt + 300)}`);
    if (this.options.collectsCosts) this.noteCost(received, bodyAt);
    const problem = this.load.takesSample() ? this.problemOf(received.toString('utf8', bodyAt)) : undefined;
    this.load.counters.latency.record(this.lastDataMs - this.sentMs);
    this.end(problem);
  }

  private readStream(piece: Buffer): void {
    const nowMs = (this.lastDataMs = performance.now());
    const bytes = this.received.length === 0 ? piece : Buffer.concat([this.received, piece]);
    // A delta cut in two is counted when its end is there; whole events end with a new line.
    if (bytes[bytes.length - 1] !== NEW_LINE) {
      this.received = bytes;
      return;
    }
    this.received = NOTHING;
    if (this.status === 0) this.status = statusOf(bytes);
    if (this.status !== 200) return this.end(`${this.status}: ${bytes.toString('utf8', 0, 600)}`);
    const found = countOf(bytes, DELTA);
    if (found > 0) this.noteDeltas(found, nowMs);
    if (bytes.includes(DONE)) this.isDone = true;
    if (!endsWith(bytes, LAST_CHUNK)) return;
    this.load.counters.latency.record(nowMs - this.sentMs);
    const isWhole = this.isDone && this.deltas === this.options.deltasPerStream;
    this.end(isWhole ? undefined : `a stream with ${this.deltas} deltas ${this.isDone ? 'ended' : 'was cut short'}: ${bytes.toString('utf8').slice(-300)}`);
  }

  private noteDeltas(found: number, nowMs: number): void {
    const { counters } = this.load;
    if (this.deltas === 0) counters.firstDelta.record(nowMs - this.sentMs);
    else counters.gap.record(nowMs - this.lastDeltaMs);
    this.lastDeltaMs = nowMs;
    this.deltas += found;
    counters.deltas += found;
  }

  private noteCost(received: Buffer, bodyAt: number): void {
    const at = received.indexOf(COST, bodyAt);
    if (at === -1) return;
    const text = received.toString('latin1', at + COST.length, at + COST.length + 32);
    const cost = text.slice(0, text.search(/[,}]/));
    this.load.costs.set(cost, (this.load.costs.get(cost) ?? 0) + 1);
  }

  private problemOf(body: string): string | undefined {
    try {
      this.options.check?.(body);
      return undefined;
    } catch (error) {
      return `${(error as Error).message}: ${body.slice(0, 300)}`;
    }
  }

  private end(problem: string | undefined): void {
    this.isWaiting = false;
    this.received = NOTHING;
    this.load.ended(this, problem);
  }
}

function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.removeListener('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** Of an answer that begins with `HTTP/1.1 200`. */
function statusOf(answer: Buffer): number {
  return (answer[9]! - 48) * 100 + (answer[10]! - 48) * 10 + (answer[11]! - 48);
}

/** Undefined: the body comes in chunks. */
function contentLength(answer: Buffer, headEnd: number): number | undefined {
  const at = answer.indexOf(LENGTH_NAME);
  if (at === -1 || at > headEnd) return undefined;
  let length = 0;
  for (let index = at + LENGTH_NAME.length; answer[index]! >= 48; index++) length = length * 10 + answer[index]! - 48;
  return length;
}

function endsWith(bytes: Buffer, end: Buffer): boolean {
  return bytes.length >= end.length && bytes.compare(end, 0, end.length, bytes.length - end.length) === 0;
}

function countOf(bytes: Buffer, part: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(part); at !== -1; at = bytes.indexOf(part, at + part.length)) count++;
  return count;
}
