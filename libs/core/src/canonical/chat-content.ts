import type { JsonObject } from './json.js';

/** "The prompt up to and including this is worth caching"; `ttl` absent = the provider's default. */
export interface CacheBreakpoint {
  readonly ttl?: '5m' | '1h' | undefined;
}

/**
 * Opaque proof that a provider attaches to its own output and wants back unchanged. `format` says whose it is
 * (`anthropic-claude-v1`, `google-gemini-v1`, `openai-responses-v1` …): a dialect sends back only its own.
 */
export interface OpaqueSignature {
  readonly format: string;
  readonly data: string;
}

interface PartBase {
  readonly cacheBreakpoint?: CacheBreakpoint | undefined;
}

export interface TextPart extends PartBase {
  readonly kind: 'text';
  readonly text: string;
  readonly signature?: OpaqueSignature | undefined;
  /** Citations and the like, in OpenRouter's annotation shape. */
  readonly annotations?: readonly JsonObject[] | undefined;
}

/** Bytes in base64 with their media type, or a place to get them from. */
export type MediaSource =
  | { readonly kind: 'base64'; readonly mediaType: string; readonly data: string }
  | { readonly kind: 'url'; readonly url: string }
  /** Uploaded to the provider before. */
  | { readonly kind: 'file-id'; readonly fileId: string };

export interface ImagePart extends PartBase {
  readonly kind: 'image';
  readonly source: MediaSource;
  readonly detail?: string | undefined;
  readonly signature?: OpaqueSignature | undefined;
}

export interface AudioPart extends PartBase {
  readonly kind: 'audio';
  readonly source: MediaSource;
  /** `wav`, `mp3` … */
  readonly format: string;
}

export interface VideoPart extends PartBase {
  readonly kind: 'video';
  readonly source: MediaSource;
}

export interface FilePart extends PartBase {
  readonly kind: 'file';
  readonly source: MediaSource;
  readonly filename?: string | undefined;
}

export interface RefusalPart extends PartBase {
  readonly kind: 'refusal';
  readonly text: string;
}

/** A call the model asks for. `arguments` is the JSON text exactly as the model wrote it. */
export interface ToolCallPart extends PartBase {
  readonly kind: 'tool-call';
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
  readonly signature?: OpaqueSignature | undefined;
}

/** What the caller's tool answered; in messages of role `tool`. */
export interface ToolResultPart extends PartBase {
  readonly kind: 'tool-result';
  readonly toolCallId: string;
  /** Known when the call itself is in the conversation. */
  readonly toolName?: string | undefined;
  readonly content: readonly ContentPart[];
  readonly isError?: boolean | undefined;
}

/** Everything needed to give a piece of reasoning back byte for byte. Mirrors one entry of `reasoning_details`. */
export interface ReasoningPart extends PartBase {
  readonly kind: 'reasoning';
  readonly variant: 'text' | 'summary' | 'encrypted' | 'server-tool-call';
  /** Of `text` and `summary`. */
  readonly text?: string | undefined;
  /** Of `text`: proof over it. Null and absent are told apart on the way back. */
  readonly signature?: string | null | undefined;
  /** Of `encrypted`. */
  readonly data?: string | undefined;
  readonly format?: string | null | undefined;
  readonly id?: string | null | undefined;
  readonly index?: number | undefined;
  /** Of `server-tool-call`, and keys that this version does not know. */
  readonly extra?: JsonObject | undefined;
}

export type ContentPart = TextPart | ImagePart | AudioPart | VideoPart | FilePart | RefusalPart;
export type MessagePart = ContentPart | ToolCallPart | ToolResultPart | ReasoningPart;

export interface CanonicalMessage {
  /** `developer` keeps its name; dialects without it send it as `system`. */
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  readonly parts: readonly MessagePart[];
  /** Who speaks; dialects without the field prefix the text with it. */
  readonly name?: string | undefined;
}
