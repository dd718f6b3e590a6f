import type { JsonObject } from '@switchyard/api';
import type { RequestBound } from './reservation-bound.js';

const BYTES_PER_TOKEN = 4;
const TOKENS_PER_IMAGE_ESTIMATE = 1_000;
/** Sound and documents become far fewer tokens than bytes of base64. */
const MEDIA_BYTES_PER_TOKEN = 16;

/** Inline media of a chat body, in characters. */
interface InlineMedia {
  imageLength: number;
  otherLength: number;
}

/** Bounds of a chat request: bytes of text, images, tools. Walks messages only where there is media. */
export function chatRequestBound(
  body: JsonObject,
  bodyBytes: Buffer,
  counts: { imageCount: number; fileCount: number; audioCount: number; videoCount: number },
  toolCount: number,
): RequestBound {
  const media: InlineMedia = { imageLength: 0, otherLength: 0 };
  if (counts.imageCount + counts.fileCount + counts.audioCount + counts.videoCount > 0) measureMedia(body['messages'], media);
  return {
    textBytes: Math.max(0, bodyBytes.byteLength - media.imageLength - media.otherLength) + Math.ceil(media.otherLength / MEDIA_BYTES_PER_TOKEN),
    imageCount: counts.imageCount,
    hasTools: toolCount > 0,
    usesCacheControl: bodyBytes.includes('cache_control'),
    usesAudio: counts.audioCount > 0,
  };
}

/** What the prompt probably counts as: for context-length filters, never for money. */
export function promptTokensEstimate(bound: RequestBound): number {
  return Math.ceil(bound.textBytes / BYTES_PER_TOKEN) + bound.imageCount * TOKENS_PER_IMAGE_ESTIMATE;
}

function measureMedia(messages: unknown, media: InlineMedia): void {
  if (!Array.isArray(messages)) return;
  for (const message of messages as { content?: unknown }[]) {
    if (!Array.isArray(message.content)) continue;
    for (const part of message.content as Record<string, Record<string, unknown> | undefined>[]) measurePart(part, media);
  }
}

function measurePart(part: Record<string, Record<string, unknown> | undefined>, media: InlineMedia): void {
  media.imageLength += inlineLength(part['image_url']?.['url']);
  media.otherLength += inlineLength(part['file']?.['file_data']) + inlineLength(part['video_url']?.['url']);
  const audio = part['input_audio']?.['data'];
  if (typeof audio === 'string') media.otherLength += audio.length;
}

function inlineLength(url: unknown): number {
  return typeof url === 'string' && url.startsWith('data:') ? url.length : 0;
}
