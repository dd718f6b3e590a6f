import { Readable, type Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { SwitchyardError } from '@switchyard/errors';
import { ByteQueue } from './byte-queue.js';
import { nextPiece, type PulledBody } from './pulled-body.js';

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip({ flush: constants.Z_SYNC_FLUSH }),
  'x-gzip': () => createGunzip({ flush: constants.Z_SYNC_FLUSH }),
  deflate: () => createInflate({ flush: constants.Z_SYNC_FLUSH }),
  br: () => createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH }),
  zstd: () => createZstdDecompress(),
};

/**
 * The body without its content encoding. We ask for none, yet some servers compress all the same. The decoder stops when nobody
 * pulls, so that a small body that unfolds to a huge one costs no memory.
 * @throws SwitchyardError `provider_unavailable` for an encoding that we don't know.
 */
export function decodedBody(call: PulledBody, contentEncoding: string | undefined, providerName: string): PulledBody {
  const encoding = contentEncoding?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return call;
  const createDecoder = DECODERS[encoding];
  if (createDecoder === undefined)
    throw new SwitchyardError('provider_unavailable', `${providerName} answered with an unknown content encoding.`, { providerCode: encoding.slice(0, 40) });
  const decoder = createDecoder();
  const source = Readable.from(chunksOf(call), { objectMode: false });
  source.on('error', (error) => decoder.destroy(error));
  // Whoever pulls gets it; a body that nobody pulled must not end the process.
  decoder.on('error', () => undefined);
  return new DecodedBody(source.pipe(decoder)[Symbol.asyncIterator]() as AsyncIterator<Buffer>);
}

class DecodedBody implements PulledBody {
  isAtEnd = false;
  private piece: Buffer | undefined;
  private failure: { readonly error: unknown } | undefined;

  constructor(private readonly pieces: AsyncIterator<Buffer>) {}

  async arrival(): Promise<void> {
    try {
      const { value, done } = await this.pieces.next();
      this.isAtEnd = done === true;
      this.piece = this.isAtEnd ? undefined : (value as Buffer);
    } catch (error) {
      this.failure = { error };
    }
  }

  take(): Buffer | undefined {
    if (this.failure !== undefined) throw this.failure.error;
    const { piece } = this;
    this.piece = undefined;
    return piece;
  }
}

/** The bytes are the caller's until it lets anything else happen. @throws SwitchyardError `provider_unavailable` when there is more than `maxBytes`. */
export async function readWhole(body: PulledBody, maxBytes: number, providerName: string): Promise<Buffer> {
  const whole = new ByteQueue();
  for (;;) {
    const arrival = body.arrival();
    if (arrival !== undefined) await arrival;
    const piece = body.take();
    if (piece === undefined) return whole.take(maxBytes);
    if (whole.sizeBytes + piece.byteLength > maxBytes)
      throw new SwitchyardError('provider_unavailable', `${providerName} answered with more than ${maxBytes} bytes.`);
    // Most answers come in one piece, which needs no second place.
    if (whole.sizeBytes === 0 && body.isAtEnd) return piece;
    whole.push(piece);
  }
}

/** At most the first `maxBytes`: enough of an error to understand it. */
export async function readBeginning(body: PulledBody, maxBytes: number): Promise<Buffer> {
  const beginning = new ByteQueue();
  while (beginning.sizeBytes < maxBytes) {
    const piece = await nextPiece(body);
    if (piece === undefined) break;
    beginning.push(piece);
  }
  return beginning.take(maxBytes);
}

async function* chunksOf(call: PulledBody): AsyncIterable<Uint8Array> {
  for (let chunk = await nextPiece(call); chunk !== undefined; chunk = await nextPiece(call)) yield Buffer.from(chunk);
}
