import type { IncomingMessage } from 'node:http';
import { SwitchyardError } from '@switchyard/errors';

const EMPTY = Buffer.alloc(0);

/** How often the pace of a body is looked at: what arrives sooner may come as it likes. */
const PACE_CHECK_MS = 10_000;

export interface BodyLimits {
  readonly maxBytes: number;
  /** On average; a request that is being sent takes a place that others want. */
  readonly minBytesPerSecond: number;
  readonly paceCheckMs?: number;
}

/** What the bodies of all requests under way take together, so that many large ones at once cannot exhaust the process. */
export class BodyMemory {
  private heldBytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** One request's share, empty at first. */
  open(): BodyShare {
    return new BodyShare(this.maxBytes, (bytes) => {
      if (bytes > 0 && this.heldBytes + bytes > this.maxBytes) return false;
      this.heldBytes += bytes;
      return true;
    });
  }
}

/** Grows while a body is read; give it back when the request is over. */
class BodyShare {
  private bytes = 0;

  constructor(
    /** What it can grow to while there is no other. */
    readonly maxBytes: number,
    private readonly change: (bytes: number) => boolean,
  ) {}

  /** False when all requests together would hold too much. */
  grow(bytes: number): boolean {
    if (!this.change(bytes)) return false;
    this.bytes += bytes;
    return true;
  }

  release(): void {
    this.change(-this.bytes);
    this.bytes = 0;
  }
}

/**
 * The whole body of a request without its byte order mark, bounded in bytes and time.
 * @throws SwitchyardError `payload_too_large`; `gateway_unavailable` when `share` cannot grow; `invalid_request` when it is encoded, comes too slowly or the client left before it was read.
 */
export function readBody(request: IncomingMessage, limits: BodyLimits, share: BodyShare): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // A client may leave while its key is looked up: nothing would ever come of this request.
    if (request.destroyed) return reject(clientLeft());
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return reject(encoded(encoding));
    // One that is larger than all together may be would be told to come back for ever.
    const maxBytes = Math.min(limits.maxBytes, share.maxBytes);
    if (Number(request.headers['content-length']) > maxBytes) return reject(tooLarge(maxBytes));
    const pieces: Buffer[] = [];
    let length = 0;
    let isRead = false;
    const stopPace = keepPace(request, limits, { length: () => length, isTooSlow: () => refuse(tooSlow(limits.minBytesPerSecond)) });
    const refuse = (error: SwitchyardError) => {
      stopPace();
      // What is still coming is read and dropped, so that the client can read the answer.
      pieces.length = 0;
      share.release();
      request.removeAllListeners('data');
      request.resume();
      reject(error);
    };
    request.on('data', (piece: Buffer) => {
      length += piece.byteLength;
      if (length > maxBytes) refuse(tooLarge(maxBytes));
      else if (!share.grow(piece.byteLength)) refuse(noMemory());
      else pieces.push(piece);
    });
    request.on('end', () => {
      isRead = true;
      stopPace();
      resolve(withoutMark(pieces.length === 1 ? pieces[0]! : pieces.length === 0 ? EMPTY : Buffer.concat(pieces, length)));
    });
    request.on('error', (error) => reject(new SwitchyardError('invalid_request', 'The request body could not be read.', { cause: error })));
    // Every request closes; an error that nobody waits for would still cost its stack trace.
    request.on('close', () => {
      stopPace();
      if (!isRead) reject(clientLeft());
    });
  });
}

/** The byte order mark that editors on Windows put before UTF-8 says nothing, and is no JSON. */
function withoutMark(body: Buffer): Buffer {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? body.subarray(3) : body;
}

/** Nearly every body has come with its head, and is watched by nobody. Returns what ends the watch. */
function keepPace(
  request: IncomingMessage,
  { minBytesPerSecond, paceCheckMs = PACE_CHECK_MS }: BodyLimits,
  body: { length(): number; isTooSlow(): void },
): () => void {
  if (request.complete) return () => undefined;
  let elapsedMs = 0;
  const timer = setInterval(() => {
    elapsedMs += paceCheckMs;
    if (body.length() * 1_000 < minBytesPerSecond * elapsedMs) body.isTooSlow();
  }, paceCheckMs);
  return () => clearInterval(timer);
}

function clientLeft(): SwitchyardError {
  return new SwitchyardError('invalid_request', 'The connection closed before the request body was complete.');
}

function encoded(encoding: string): SwitchyardError {
  return new SwitchyardError('invalid_request', `The request body is encoded (${encoding.slice(0, 40)}): send it without a Content-Encoding.`, {
    httpStatus: 415,
  });
}

function tooLarge(maxBytes: number): SwitchyardError {
  return new SwitchyardError('payload_too_large', `The request body is larger than ${maxBytes} bytes.`, { metadata: { max_bytes: maxBytes } });
}

function tooSlow(minBytesPerSecond: number): SwitchyardError {
  return new SwitchyardError('invalid_request', `The request body came too slowly: send at least ${minBytesPerSecond} bytes per second.`, { httpStatus: 408 });
}

function noMemory(): SwitchyardError {
  return new SwitchyardError('gateway_unavailable', 'The gateway holds as many request bodies as it may; try again shortly.', { retryAfterMs: 1_000 });
}
