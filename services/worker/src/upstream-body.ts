import { Readable, type Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { SwitchyardError } from '@switchyard/errors';
import { ByteQueue } from './byte-queue.js';
import type { UpstreamCall } from './upstream-http.js';

/** A body that is pulled piece by piece; undefined is its end. */
export interface PulledBody {
  /** `maxBytes` is a wish: a decoder hands out pieces of its own size. Whoever keeps a piece copies it: the next may take its place. */
  next(maxBytes?: number): Promise<Uint8Array | undefined>;
}

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
export function decodedBody(call: UpstreamCall, contentEncoding: string | undefined, providerName: string): PulledBody {
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
  const iterator = source.pipe(decoder)[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return {
    async next() {
      const { value, done } = await iterator.next();
      return done === true ? undefined : value;
    },
  };
}

/** @throws SwitchyardError `provider_unavailable` when there is more than `maxBytes`. */
export async function readWhole(body: PulledBody, maxBytes: number, providerName: string): Promise<Buffer> {
  const whole = new ByteQueue();
  for (let piece = await body.next(); piece !== undefined; piece = await body.next()) {
    if (whole.sizeBytes + piece.byteLength > maxBytes)
      throw new SwitchyardError('provider_unavailable', `${providerName} answered with more than ${maxBytes} bytes.`);
    whole.push(piece);
  }
  return whole.take(maxBytes);
}

/** At most the first `maxBytes`: enough of an error to understand it. */
export async function readBeginning(body: PulledBody, maxBytes: number): Promise<Buffer> {
  const beginning = new ByteQueue();
  while (beginning.sizeBytes < maxBytes) {
    const piece = await body.next();
    if (piece === undefined) break;
    beginning.push(piece);
  }
  return beginning.take(maxBytes);
}

async function* chunksOf(call: UpstreamCall): AsyncIterable<Uint8Array> {
  for (let chunk = await call.next(); chunk !== undefined; chunk = await call.next()) yield Buffer.from(chunk);
}
