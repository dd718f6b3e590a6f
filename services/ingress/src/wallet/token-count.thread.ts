import { parentPort } from 'node:worker_threads';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';

/** Inline media is counted by its own maxima, not as text. */
const INLINE_MEDIA = /data:[a-z]+\/[\w.+-]+;base64,[A-Za-z0-9+/=]+/g;

parentPort?.on('message', ({ id, body }: { id: number; body: Uint8Array }) => {
  const text = new TextDecoder().decode(body).replace(INLINE_MEDIA, '');
  parentPort?.postMessage({ id, count: countTokens(text) });
});
