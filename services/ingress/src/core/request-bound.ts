import type { JsonObject } from '@switchyard/api';
import { estimateTokens } from '@switchyard/core';
import type { RequestBound } from './reservation-bound.js';

/** More than any text that was written to be read: English has 4 to 10, indented data 7, padded tables 10, Hindi and Georgian 12. Long runs of one sign have more. */
const MOST_BYTES_PER_TOKEN = 16;
const TOKENS_PER_IMAGE_ESTIMATE = 1_000;
/** Sound and documents become far fewer tokens than bytes of base64. */
const MEDIA_BYTES_PER_TOKEN = 16;
/** However few bytes a file or a video has: providers show each page and each second as a picture. */
const MIN_TOKENS_PER_FILE = 6_000;

/** Media of a chat body. */
interface MeasuredMedia {
  /** Characters of all that is inline. */
  inlineLength: number;
  /** Most that inline files, sound and video count as. */
  tokens: number;
  /** Files and videos that only the provider will see. */
  remoteCount: number;
}

/** Bounds of a chat request: bytes of text, images, files, tools. Walks messages only where there is media. */
export function chatRequestBound(
  body: JsonObject,
  bodyBytes: Buffer,
  counts: { imageCount: number; fileCount: number; audioCount: number; videoCount: number },
  toolCount: number,
): RequestBound {
  const media: MeasuredMedia = { inlineLength: 0, tokens: 0, remoteCount: 0 };
  if (counts.imageCount + counts.fileCount + counts.audioCount + counts.videoCount > 0) measureMedia(body['messages'], media);
  const plainBytes = plainBytesOf(body, bodyBytes);
  return {
    textBytes: Math.max(0, plainBytes.byteLength - media.inlineLength) + media.tokens,
    imageCount: counts.imageCount,
    hasTools: toolCount > 0,
    usesCacheControl: asksForCacheWrites(plainBytes),
    mediaTokens: media.tokens,
    hasRemoteMedia: media.remoteCount > 0,
    usesWebSearch: isGiven(body['web_search_options']),
  };
}

const ESCAPE = Buffer.from('\\u');

/** The body in plain UTF-8. Many clients escape every letter beyond ASCII: six bytes, of which a model sees a letter. */
export function plainBytesOf(body: JsonObject, bodyBytes: Buffer): Buffer {
  return bodyBytes.includes(ESCAPE) ? Buffer.from(JSON.stringify(body)) : bodyBytes;
}

/** What the prompt probably counts as: for the order of endpoints, never for money. */
export function promptTokensEstimate(bound: RequestBound): number {
  return estimateTokens(bound.textBytes) + bound.imageCount * TOKENS_PER_IMAGE_ESTIMATE;
}

/** What the prompt counts as at the least: media may count as hardly anything. */
export function promptTokensLeast({ textBytes, mediaTokens = 0 }: RequestBound): number {
  return Math.floor((textBytes - mediaTokens) / MOST_BYTES_PER_TOKEN);
}

const CACHE_CONTROL = Buffer.from('cache_control');
const CACHE_BREAKPOINT = Buffer.from('prompt_cache_breakpoint');
/** In both; prose hardly has it, and bytes are found faster than text. */
const CACHE_MARK = Buffer.from('_c');

function asksForCacheWrites(plainBytes: Buffer): boolean {
  return plainBytes.includes(CACHE_MARK) && (plainBytes.includes(CACHE_CONTROL) || plainBytes.includes(CACHE_BREAKPOINT));
}

function measureMedia(messages: unknown, media: MeasuredMedia): void {
  if (!Array.isArray(messages)) return;
  for (const message of messages as { content?: unknown }[]) {
    if (!Array.isArray(message.content)) continue;
    for (const part of message.content as ContentPart[]) measurePart(part, media);
  }
}

type ContentPart = Readonly<Record<string, Readonly<Record<string, unknown>> | null | undefined>>;

function measurePart(part: ContentPart, media: MeasuredMedia): void {
  const image = part['image_url']?.['url'];
  if (typeof image === 'string' && isDataUrl(image)) media.inlineLength += image.length;
  const audio = part['input_audio']?.['data'];
  if (typeof audio === 'string') measureInline(audio, 0, media);
  measureFile(part['video_url']?.['url'], media);
  const { file } = part;
  if (!file) return;
  // The order in which the request is read: what comes first is sent.
  const data = file['file_data'] ?? file['file_url'];
  if (isGiven(data)) measureFile(data, media);
  else if (isGiven(file['file_id'])) media.remoteCount++;
}

/** A data URL, an address, or bare base64. */
function measureFile(data: unknown, media: MeasuredMedia): void {
  if (typeof data !== 'string') return;
  if (isDataUrl(data) || !ADDRESS.test(data.slice(0, 16))) measureInline(data, MIN_TOKENS_PER_FILE, media);
  else media.remoteCount++;
}

const ADDRESS = /^[a-z][a-z0-9+.-]*:/i;
const TEXT_DATA = /^data:text\//i;

function measureInline(data: string, minTokens: number, media: MeasuredMedia): void {
  media.inlineLength += data.length;
  // What is text counts as a token per byte at most, like the prompt's own.
  const tokens = TEXT_DATA.test(data) ? data.length : Math.ceil(data.length / MEDIA_BYTES_PER_TOKEN);
  media.tokens += Math.max(minTokens, tokens);
}

function isDataUrl(url: string): boolean {
  return url.startsWith('data:');
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
