import { isObject, type JsonObject } from '../parse-json-object.js';

/** Counts of what messages carry beside text. */
export interface MessageCounts {
  imageCount: number;
  fileCount: number;
  audioCount: number;
  videoCount: number;
}

const PART_COUNTERS = {
  image_url: 'imageCount',
  file: 'fileCount',
  input_audio: 'audioCount',
  video_url: 'videoCount',
  input_video: 'videoCount',
} as const satisfies Record<string, keyof MessageCounts>;

/**
 * Whether a message is surely valid, judged without a schema. False means "ask the schema": the checks are narrower
 * than `chatMessageSchema`, never wider.
 */
export function isPlainMessage(message: unknown, counts: MessageCounts): boolean {
  if (!isObject(message) || !isAbsentOrString(message['name'])) return false;
  switch (message['role']) {
    case 'user':
    case 'system':
    case 'developer':
      return isPlainContent(message['content'], counts);
    case 'assistant':
      return isPlainAssistant(message, counts);
    case 'tool':
      return typeof message['tool_call_id'] === 'string' && isPlainContent(message['content'], counts);
    default:
      return false;
  }
}

/** Counts the parts of messages that a schema, not the plain checks, found valid. */
export function countParts(messages: readonly unknown[]): MessageCounts {
  const counts: MessageCounts = { imageCount: 0, fileCount: 0, audioCount: 0, videoCount: 0 };
  for (const message of messages) {
    const content = isObject(message) ? message['content'] : undefined;
    if (Array.isArray(content)) for (const part of content) if (isObject(part)) countPart(part, counts);
  }
  return counts;
}

function isPlainAssistant(message: JsonObject, counts: MessageCounts): boolean {
  const content = message['content'];
  if (content !== undefined && content !== null && !isPlainContent(content, counts)) return false;
  if (!isAbsentOrString(message['reasoning']) || !isAbsentOrString(message['refusal'])) return false;
  const details = message['reasoning_details'];
  if (
    details !== undefined &&
    details !== null &&
    !(Array.isArray(details) && details.every((detail) => isObject(detail) && typeof detail['type'] === 'string'))
  )
    return false;
  const calls = message['tool_calls'];
  return calls === undefined || calls === null || (Array.isArray(calls) && calls.every(isPlainToolCall));
}

function isPlainToolCall(call: unknown): boolean {
  if (!isObject(call) || typeof call['id'] !== 'string' || (call['type'] !== 'function' && call['type'] !== undefined)) return false;
  const target = call['function'];
  return isObject(target) && typeof target['name'] === 'string' && typeof target['arguments'] === 'string';
}

function isPlainContent(content: unknown, counts: MessageCounts): boolean {
  if (typeof content === 'string') return true;
  return Array.isArray(content) && content.every((part) => isPlainPart(part, counts));
}

function isPlainPart(part: unknown, counts: MessageCounts): boolean {
  if (!isObject(part)) return false;
  if (part['cache_control'] !== undefined && !isPlainCacheControl(part['cache_control'])) return false;
  switch (part['type']) {
    case 'text':
      return typeof part['text'] === 'string';
    case 'image_url': {
      const image = part['image_url'];
      countPart(part, counts);
      return isObject(image) && isText(image['url']) && isAbsentOrString(image['detail']);
    }
    default:
      return false;
  }
}

function isPlainCacheControl(value: unknown): boolean {
  return isObject(value) && value['type'] === 'ephemeral' && (value['ttl'] === undefined || value['ttl'] === '5m' || value['ttl'] === '1h');
}

function countPart(part: JsonObject, counts: MessageCounts): void {
  const type = part['type'];
  if (typeof type === 'string' && Object.hasOwn(PART_COUNTERS, type)) counts[PART_COUNTERS[type as keyof typeof PART_COUNTERS]]++;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isAbsentOrString(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'string';
}
