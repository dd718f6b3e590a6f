import type { MediaSource } from './chat-content.js';

/** A picture, sound or file without its bytes: what it is, and how large or where. */
export interface MediaNote {
  readonly modality: 'image' | 'audio' | 'video' | 'file';
  readonly mediaType?: string | undefined;
  /** Of bytes that came inside the message. */
  readonly sizeBytes?: number | undefined;
  readonly url?: string | undefined;
  readonly fileId?: string | undefined;
}

/** One choice of an answer as its client was shown it, a stream's deltas put together. Empty texts stand for none. */
export interface ShownChoice {
  readonly reasoning: string;
  readonly text: string;
  readonly refusal: string;
  /** `arguments` is the JSON text as the model wrote it. */
  readonly toolCalls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly media: readonly MediaNote[];
  /** Empty when it broke off. */
  readonly finishReason: string;
}

export function mediaNoteOf(modality: MediaNote['modality'], source: MediaSource): MediaNote {
  switch (source.kind) {
    case 'base64':
      return { modality, mediaType: source.mediaType, sizeBytes: base64SizeBytes(source.data) };
    case 'url':
      return { modality, url: source.url };
    case 'file-id':
      return { modality, fileId: source.fileId };
  }
}

/** Of what a text of base64 stands for. */
export function base64SizeBytes(text: string): number {
  return Math.floor((text.length * 3) / 4) - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
}
