import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { registeredMediaType, type FetchedMedia } from '@switchyard/dialects/provider';
import { SwitchyardError, type ErrorType } from '@switchyard/errors';
import { Agent } from 'undici';
import type { EgressGuard } from './egress-guard.js';

export interface MediaFetcherOptions {
  readonly guard: EgressGuard;
  readonly maxBytes: number;
  /** For one URL, redirects included. */
  readonly timeoutMs: number;
  readonly maxUrls: number;
}

const MAX_REDIRECTS = 3;
const CONNECT_TIMEOUT_MS = 3_000;
const MEDIA_TYPES = /^(image|audio|video)\/[\w.+-]+$|^application\/(pdf|ogg)$/;

/** Downloads pictures that a customer names by URL, for providers that take only bytes. */
export class MediaFetcher {
  private readonly agent: Agent;

  constructor(private readonly options: MediaFetcherOptions) {
    this.agent = new Agent({
      allowH2: false,
      connect: options.guard.connector(CONNECT_TIMEOUT_MS),
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      keepAliveTimeout: 1_000,
    });
  }

  /** @throws SwitchyardError `image_download_failed`, `image_not_found`, `image_too_large`, `unsupported_image_format`, `invalid_request` */
  async fetchAll(urls: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, FetchedMedia>> {
    const distinct = [...new Set(urls)];
    if (distinct.length > this.options.maxUrls)
      throw new SwitchyardError('invalid_request', `At most ${this.options.maxUrls} URLs are fetched for one request.`);
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(this.options.timeoutMs)]);
    const media = await Promise.all(distinct.map((url) => this.fetch(url, bounded)));
    return new Map(distinct.map((url, index) => [url, media[index]!]));
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private async fetch(url: string, signal: AbortSignal): Promise<FetchedMedia> {
    let target = this.options.guard.checkUrl(url);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const answer = await this.get(target, signal);
      if (answer.location === undefined) return { mediaType: answer.mediaType, data: answer.bytes.toString('base64') };
      target = this.options.guard.checkUrl(new URL(answer.location, target).href);
    }
    throw downloadError('image_download_failed', target, 'redirects too often');
  }

  private async get(url: URL, signal: AbortSignal): Promise<{ location: string | undefined; mediaType: string; bytes: Buffer }> {
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
      return { location: undefined, mediaType: mediaTypeOf(headers), bytes: await this.readBounded(body, url) };
    } catch (error) {
      if (error instanceof SwitchyardError) throw error;
      throw downloadError('image_download_failed', url, 'could not be downloaded', error);
    }
  }

  private async readBounded(body: AsyncIterable<Buffer>, url: URL): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let sizeBytes = 0;
    for await (const piece of body) {
      sizeBytes += piece.byteLength;
      if (sizeBytes > this.options.maxBytes) throw downloadError('image_too_large', url, `is larger than ${this.options.maxBytes} bytes`);
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
