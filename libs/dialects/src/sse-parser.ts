import { SwitchyardError } from '@switchyard/errors';

export interface SseEvent {
  /** Absent = the default type, `message`. */
  readonly event?: string | undefined;
  readonly data: string;
}

export interface SseLimits {
  /** One line, and all data of one event together. A 1M-token answer in one delta is far below. */
  readonly maxEventBytes: number;
}

const DEFAULT_SSE_LIMITS: SseLimits = { maxEventBytes: 32 * 1024 * 1024 };

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const NOTHING = Buffer.alloc(0);
const SMALLEST_PENDING_BYTES = 256;
/** Memory that grew beyond this for one long line is not kept for the next. */
const MAX_KEPT_BYTES = 64 * 1024;

/**
 * Incremental parser of `text/event-stream` (https://html.spec.whatwg.org/multipage/server-sent-events.html) over bytes
 * split anywhere: in a UTF-8 sequence, in a CRLF, in a field name. Comments and unknown fields are skipped. An event
 * that the stream's end cut off is not reported.
 */
export class SseParser {
  /** Memory for the beginning of a line whose end has not come yet, used again for the next, and how much of it is filled. */
  private pending = NOTHING;
  private pendingBytes = 0;
  private skipLineFeed = false;
  private isFirstLine = true;
  private data: string[] = [];
  private dataLength = 0;
  private event: string | undefined;

  constructor(private readonly limits: SseLimits = DEFAULT_SSE_LIMITS) {}

  /** @throws SwitchyardError `provider_unavailable` when a line or an event is beyond the limit; the parser is then of no more use. */
  push(bytes: Uint8Array): SseEvent[] {
    const data = this.isBetweenEvents ? onlyData(bytes, this.limits) : undefined;
    if (data !== undefined) return [{ data }];
    const events: SseEvent[] = [];
    let chunk = bytes;
    if (this.skipLineFeed && chunk.length > 0) {
      this.skipLineFeed = false;
      if (chunk[0] === LINE_FEED) chunk = chunk.subarray(1);
    }
    const end = lastLineEnd(chunk);
    if (end === -1) {
      this.keep(chunk);
      return events;
    }
    this.skipLineFeed = end === chunk.length - 1 && chunk[end] === CARRIAGE_RETURN;
    if (this.pendingBytes + end > this.limits.maxEventBytes * 2) throw tooLong(this.limits);
    const start = this.pendingBytes === 0 ? 0 : this.finishPending(chunk, events);
    // Line ends are never inside a UTF-8 sequence, so whole lines decode on their own.
    const isPair = end > start && chunk[end] === LINE_FEED && chunk[end - 1] === CARRIAGE_RETURN;
    if (start <= end) for (const line of splitLines(textOf(chunk.subarray(start, isPair ? end - 1 : end)))) this.readLine(line, events);
    this.keep(chunk.subarray(end + 1));
    return events;
  }

  private get isBetweenEvents(): boolean {
    return this.pendingBytes === 0 && this.data.length === 0 && this.event === undefined && !this.skipLineFeed && !this.isFirstLine;
  }

  private keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.pendingBytes + bytes.length > this.limits.maxEventBytes) throw tooLong(this.limits);
    this.append(bytes);
  }

  /** Copies, since the caller may reuse its buffer. */
  private append(bytes: Uint8Array): void {
    const sizeBytes = this.pendingBytes + bytes.length;
    if (sizeBytes > this.pending.length) {
      // Not of the shared pool: it lives as long as the stream, and would keep a whole block of the pool.
      const larger = Buffer.allocUnsafeSlow(Math.max(SMALLEST_PENDING_BYTES, 2 ** Math.ceil(Math.log2(sizeBytes))));
      larger.set(this.pending.subarray(0, this.pendingBytes));
      this.pending = larger;
    }
    this.pending.set(bytes, this.pendingBytes);
    this.pendingBytes = sizeBytes;
  }

  /** Reads the line that was kept, whose end is in `chunk`; gives where the next line begins. */
  private finishPending(chunk: Uint8Array, events: SseEvent[]): number {
    const end = firstLineEnd(chunk);
    this.append(chunk.subarray(0, end));
    const line = this.pending.toString('utf8', 0, this.pendingBytes);
    this.pendingBytes = 0;
    if (this.pending.length > MAX_KEPT_BYTES) this.pending = NOTHING;
    this.readLine(line, events);
    return chunk[end] === CARRIAGE_RETURN && chunk[end + 1] === LINE_FEED ? end + 2 : end + 1;
  }

  private readLine(rawLine: string, events: SseEvent[]): void {
    let line = rawLine;
    if (this.isFirstLine) {
      this.isFirstLine = false;
      if (line.charCodeAt(0) === 0xfeff) line = line.slice(1);
    }
    if (line.length === 0) {
      if (this.data.length > 0) events.push(this.event === undefined ? { data: this.takeData() } : { event: this.event, data: this.takeData() });
      this.event = undefined;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon === -1 ? line : line.slice(0, colon);
    if (name !== 'data' && name !== 'event') return;
    const value = colon === -1 ? '' : line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1);
    if (name === 'event') {
      this.event = value;
      return;
    }
    this.dataLength += value.length;
    if (this.dataLength > this.limits.maxEventBytes) throw tooLong(this.limits);
    this.data.push(value);
  }

  private takeData(): string {
    const data = this.data.length === 1 ? this.data[0]! : this.data.join('\n');
    this.data = [];
    this.dataLength = 0;
    return data;
  }
}

/** Most pieces of a stream are one line of data and a blank one: its data. Undefined where these bytes are anything else. */
function onlyData(bytes: Uint8Array, limits: SseLimits): string | undefined {
  const { length } = bytes;
  if (length > limits.maxEventBytes || bytes[length - 1] !== LINE_FEED || bytes[length - 2] !== LINE_FEED) return undefined;
  const text = textOf(bytes);
  const end = text.length - 2;
  return text.startsWith('data: ') && text.indexOf('\n') === end && !text.includes('\r') ? text.slice(6, end) : undefined;
}

function lastLineEnd(bytes: Uint8Array): number {
  return Math.max(bytes.lastIndexOf(LINE_FEED), bytes.lastIndexOf(CARRIAGE_RETURN));
}

function firstLineEnd(bytes: Uint8Array): number {
  const lineFeed = bytes.indexOf(LINE_FEED);
  const carriageReturn = (lineFeed === -1 ? bytes : bytes.subarray(0, lineFeed)).indexOf(CARRIAGE_RETURN);
  return carriageReturn === -1 ? lineFeed : carriageReturn;
}

function textOf(bytes: Uint8Array): string {
  return (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).toString('utf8');
}

function splitLines(text: string): string[] {
  return text.includes('\r') ? text.split(/\r\n|\r|\n/) : text.split('\n');
}

function tooLong(limits: SseLimits): SwitchyardError {
  return new SwitchyardError('provider_unavailable', `The provider sent a stream event of more than ${limits.maxEventBytes} bytes.`, {
    providerCode: 'event_too_long',
  });
}
