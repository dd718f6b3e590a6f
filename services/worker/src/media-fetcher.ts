import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { registeredMediaType, type FetchedMedia } from '@switchyard/dialects/provider';
import { SwitchyardError, type ErrorType } from '@switchyard/errors';
import { Agent } from 'undici';
import type { EgressGuard } from './egress-guard.js';
import { MediaMemory, type MediaShare } from './media-memory.js';

export interface MediaFetcherOptions {
  readonly guard: EgressGuard;
  /** Of one URL. */
  readonly maxBytes: number;
  /** Of all requests under way together; of one request half as much. */
  readonly maxHeldBytes: number;
  /** For one URL, redirects included. */
  readonly timeoutMs: number;
  readonly maxUrls: number;
}

const MAX_REDIRECTS = 3;
const CONNECT_TIMEOUT_MS = 3_000;
/** Whatever servers promise: hosts that customers name are many, and asked once. */
const KEEP_ALIVE_MS = 1_000;
const MEDIA_TYPES = /^(image|audio|video)\/[\w.+-]+$|^application\/(pdf|ogg)$/;

/** Downloads pictures that a customer names by URL, for providers that take only bytes. */
export class MediaFetcher {
  private readonly agent: Agent;
  private readonly memory: MediaMemory;
  private readonly shares = new WeakMap<ReadonlyMap<string, FetchedMedia>, MediaShare>();

  constructor(private readonly options: MediaFetcherOptions) {
    this.memory = new MediaMemory(options.maxHeldBytes);
    this.agent = new Agent({
      allowH2: false,
      connect: options.guard.connector(CONNECT_TIMEOUT_MS),
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
    });
  }

  /**
   * Give back what comes with `release` once the request is over.
   * @throws SwitchyardError `image_download_failed`, `image_not_found`, `image_too_large`, `unsupported_image_format`, `invalid_request`, `gateway_unavailable`
   */
  async fetchAll(urls: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, FetchedMedia>> {
    const distinct = [...new Set(urls)];
    if (distinct.length > this.options.maxUrls)
      throw new SwitchyardError('invalid_request', `At most ${this.options.maxUrls} URLs are fetched for one request.`);
    const share = this.memory.open();
    const failure = new AbortController();
    const bounded = AbortSignal.any([signal, failure.signal, AbortSignal.timeout(this.options.timeoutMs)]);
    try {
      const files = await Promise.all(distinct.map((url) => this.fetch(url, bounded, share)));
      const media = new Map(distinct.map((url, index) => [url, files[index]!]));
      this.shares.set(media, share);
      return media;
    } catch (error) {
      // What the others would bring is of no use any more.
      failure.abort(error);
      share.release();
      throw error;
    }
  }

  /** Makes room for the downloads of other requests. */
  release(media: ReadonlyMap<string, FetchedMedia>): void {
    this.shares.get(media)?.release();
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private async fetch(url: string, signal: AbortSignal, share: MediaShare): Promise<FetchedMedia> {
    let target = this.options.guard.checkUrl(url);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const answer = await this.get(target, signal, share);
      if (answer.location === undefined) return { mediaType: answer.mediaType, data: answer.bytes.toString('base64') };
      if (!URL.canParse(answer.location, target.href)) throw downloadError('image_download_failed', target, 'redirects to what is no URL');
      target = this.options.guard.checkUrl(new URL(answer.location, target).href);
    }
    throw downloadError('image_download_failed', target, 'redirects too often');
  }

  private async get(url: URL, signal: AbortSignal, share: MediaShare): Promise<{ location: string | undefined; mediaType: string; bytes: Buffer }> {
    try {
      const { statusCode, headers, body } = await this.agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: 'GET',
        headers: { accept: 'image/*, audio/*, video/*, application/pdf', 'accept-encoding': 'identity' },
        signal,
      });
      const location = headers['location'];
      if (statusCode >= 300 && statusCode < 400 && typeof location === 'string') {
        hangUp(body);
        return { location, mediaType: '', bytes: Buffer.alloc(0) };
      }
      const refusal = refusalOf(statusCode, headers, url);
      if (refusal !== undefined) {
        hangUp(body);
        throw refusal;
      }
      return { location: undefined, mediaType: mediaTypeOf(headers), bytes: await this.readBounded(body, url, share) };
    } catch (error) {
      if (error instanceof SwitchyardError) throw error;
      throw downloadError('image_download_failed', url, 'could not be downloaded', error);
    }
  }

  private async readBounded(body: AsyncIterable<Buffer>, url: URL, share: MediaShare): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let sizeBytes = 0;
    for await (const piece of body) {
      sizeBytes += piece.byteLength;
      if (sizeBytes > this.options.maxBytes) throw downloadError('image_too_large', url, `is larger than ${this.options.maxBytes} bytes`);
      share.grow(piece.byteLength);
      pieces.push(piece);
    }
    return Buffer.concat(pieces, sizeBytes);
  }
}

/** The body is of no interest, and neither is that it was not read. */
function hangUp(body: Readable): void {
  body.on('error', () => undefined).destroy();
}

function refusalOf(status: number, headers: IncomingHttpHeaders, url: URL): SwitchyardError | undefined {
  if (status === 404 || status === 410) return downloadError('image_not_found', url, 'does not exist');
  if (status < 200 || status > 299) return downloadError('image_download_failed', url, `was answered with status ${status}`);
  if (!MEDIA_TYPES.test(mediaTypeOf(headers))) return downloadError('unsupported_image_format', url, 'is neither picture, sound nor film');
  return undefined;
}

function mediaTypeOf(headers: IncomingHttpHeaders): string {
  return registeredMediaType((headers['content-type'] ?? '').split(';', 1)[0]!.trim());
}

/** Names the host alone: the rest of a URL may hold secrets. */
function downloadError(type: ErrorType, url: URL, sentence: string, cause?: unknown): SwitchyardError {
  return new SwitchyardError(type, `A URL at ${url.hostname} ${sentence}.`, cause === undefined ? {} : { cause });
}
