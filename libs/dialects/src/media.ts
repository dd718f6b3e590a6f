import type { MediaSource } from '@switchyard/core';

/** Names that clients and servers give JPEG pictures; Anthropic and Google know the registered one alone. */
const JPEG_ALIASES = /^image\/(jpg|pjpeg)$/;

/** In lower case and without aliases. */
export function registeredMediaType(mediaType: string): string {
  return mediaType.toLowerCase().replace(JPEG_ALIASES, 'image/jpeg');
}

/** `data:image/png;base64,…` as bytes, of a registered media type; anything else stays a URL. */
export function mediaSourceOf(url: string): MediaSource {
  const head = /^data:([^;,]*)((?:;[^;,]*)*),/.exec(url.slice(0, 256));
  if (!head) return { kind: 'url', url };
  const mediaType = head[1] === '' ? 'text/plain' : registeredMediaType(head[1]!);
  const payload = url.slice(head[0].length);
  if (head[2]!.toLowerCase().split(';').includes('base64')) return { kind: 'base64', mediaType, data: payload };
  return { kind: 'base64', mediaType, data: Buffer.from(safeDecode(payload), 'utf8').toString('base64') };
}

export function mediaUrlOf(source: MediaSource): string | undefined {
  if (source.kind === 'url') return source.url;
  return source.kind === 'base64' ? `data:${source.mediaType};base64,${source.data}` : undefined;
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
