import { parentPort } from 'node:worker_threads';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';

/** `<|endoftext|>` in a prompt is text like any other: nothing is special. */
const ALL_IS_TEXT = { disallowedSpecial: new Set<string>() };
/** Where content parts carry media. A data URL anywhere else is text, and charged as such. */
const MEDIA_FIELDS = [
  ['image_url', 'url'],
  ['video_url', 'url'],
  ['file', 'file_data'],
  ['file', 'file_url'],
  ['input_audio', 'data'],
] as const;

parentPort?.on('message', ({ id, body }: { id: number; body: Uint8Array }) => {
  parentPort?.postMessage({ id, count: countOrUndefined(body) });
});

/** What cannot be counted has no count; the others that wait still get theirs. */
function countOrUndefined(body: Uint8Array): number | undefined {
  try {
    return countTokens(withoutMedia(new TextDecoder().decode(body)), ALL_IS_TEXT);
  } catch {
    return undefined;
  }
}

/** Media has its own maxima, which the caller adds. */
function withoutMedia(text: string): string {
  if (!MEDIA_FIELDS.some(([kind]) => text.includes(`"${kind}"`))) return text;
  const body = JSON.parse(text) as { messages?: { content?: unknown }[] };
  for (const { content } of body.messages ?? []) if (Array.isArray(content)) for (const part of content as Part[]) clearMedia(part);
  return JSON.stringify(body);
}

type Part = Record<string, Record<string, unknown> | null | undefined>;

function clearMedia(part: Part): void {
  for (const [kind, field] of MEDIA_FIELDS) {
    const media = part[kind];
    if (typeof media?.[field] === 'string') media[field] = '';
  }
}
