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
    return countTokens(textOf(new TextDecoder().decode(body)), ALL_IS_TEXT);
  } catch {
    return undefined;
  }
}

/** What the model reads: letters, however the client escaped them, and no media, which has its own maxima that the caller adds. */
function textOf(json: string): string {
  const hasMedia = MEDIA_FIELDS.some(([kind]) => json.includes(`"${kind}"`));
  if (!hasMedia && !json.includes('\\u')) return json;
  const body = JSON.parse(json) as { messages?: { content?: unknown }[] };
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
