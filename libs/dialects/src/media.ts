import type { MediaSource } from '@switchyard/core';

/** `data:image/png;base64,…` as bytes; anything else stays a URL. */
export function mediaSourceOf(url: string): MediaSource {
  const head = /^data:([^;,]*)((?:;[^;,]*)*),/.exec(url.slice(0, 256));
  if (!head) return { kind: 'url', url };
  const mediaType = head[1] === '' ? 'text/plain' : head[1]!.toLowerCase();
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
