import type { Meters } from '../usage.js';
import type { MediaSource, MessagePart, OpaqueSignature, ReasoningPart } from './chat-content.js';
import type { JsonObject } from './json.js';

/** Why the model stopped, in OpenAI's words; null = the provider did not say. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'error';

/** A whole answer in no dialect. One choice: requests for more are not made. */
export interface CanonicalChatResponse<Failure extends CanonicalError = CanonicalError> {
  readonly upstreamId?: string | undefined;
  /** The provider's own name for what answered. */
  readonly upstreamModel?: string | undefined;
  readonly parts: readonly MessagePart[];
  readonly finishReason: FinishReason | null;
  /** The provider's own word for it. */
  readonly nativeFinishReason: string | null;
  readonly logprobs?: JsonObject | undefined;
  readonly audio?: JsonObject | undefined;
  readonly systemFingerprint?: string | undefined;
  readonly serviceTier?: string | undefined;
  /** Absent when the provider reported no usage: the caller estimates and says so. */
  readonly meters?: Meters | undefined;
  /** What the provider says it costs. */
  readonly costUsd?: number | undefined;
  /** The provider answered with success, yet generation failed part-way. */
  readonly error?: Failure | undefined;
}

/** `errorType` is a key of the error table (libs/errors). */
export interface CanonicalError {
  readonly errorType: string;
  /** Safe to show: no secret, no prompt. */
  readonly message: string;
  readonly providerCode?: string | undefined;
  readonly upstreamStatus?: number | undefined;
  readonly retryAfterMs?: number | undefined;
}

export interface MessageStartChunk {
  readonly type: 'message-start';
  readonly upstreamId?: string | undefined;
  readonly upstreamModel?: string | undefined;
  readonly systemFingerprint?: string | undefined;
  readonly serviceTier?: string | undefined;
}

export interface TextDeltaChunk {
  readonly type: 'text-delta';
  readonly text: string;
  readonly signature?: OpaqueSignature | undefined;
  readonly logprobs?: JsonObject | undefined;
}

export interface RefusalDeltaChunk {
  readonly type: 'refusal-delta';
  readonly text: string;
}

/** Deltas of one `index` concatenate (`text`, `signature`, `data`) to one reasoning part. */
export interface ReasoningDeltaChunk {
  readonly type: 'reasoning-delta';
  readonly index: number;
  readonly part: ReasoningPart;
}

export interface ToolCallStartChunk {
  readonly type: 'tool-call-start';
  readonly index: number;
  readonly id: string;
  readonly name: string;
  readonly signature?: OpaqueSignature | undefined;
}

/** A further piece of the JSON text of the arguments. */
export interface ToolCallDeltaChunk {
  readonly type: 'tool-call-delta';
  readonly index: number;
  readonly arguments: string;
}

export interface ToolCallEndChunk {
  readonly type: 'tool-call-end';
  readonly index: number;
}

export interface ImageChunk {
  readonly type: 'image';
  readonly source: MediaSource;
  readonly signature?: OpaqueSignature | undefined;
}

/** OpenAI's `audio` delta: id, data, transcript, expires_at. */
export interface AudioDeltaChunk {
  readonly type: 'audio-delta';
  readonly audio: JsonObject;
}

export interface AnnotationChunk {
  readonly type: 'annotation';
  readonly annotation: JsonObject;
}

export interface FinishChunk {
  readonly type: 'finish';
  readonly finishReason: FinishReason | null;
  readonly nativeFinishReason: string | null;
}

/** Cumulative: the newest replaces all before. */
export interface UsageChunk {
  readonly type: 'usage';
  readonly meters: Meters;
  readonly serviceTier?: string | undefined;
  /** What the provider says it costs. */
  readonly costUsd?: number | undefined;
}

/** The provider reported a failure inside the stream; nothing follows. */
export interface ErrorChunk<Failure extends CanonicalError = CanonicalError> {
  readonly type: 'error';
  readonly error: Failure;
}

export type CanonicalChatChunk<Failure extends CanonicalError = CanonicalError> =
  | MessageStartChunk
  | TextDeltaChunk
  | RefusalDeltaChunk
  | ReasoningDeltaChunk
  | ToolCallStartChunk
  | ToolCallDeltaChunk
  | ToolCallEndChunk
  | ImageChunk
  | AudioDeltaChunk
  | AnnotationChunk
  | FinishChunk
  | UsageChunk
  | ErrorChunk<Failure>;
