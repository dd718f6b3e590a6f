import { isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';
import type { UpstreamFailure } from './provider-dialect.js';

/** What a stream fails with at an event that is no JSON object. What came before it stands. */
export const UNREADABLE_EVENT: UpstreamFailure = {
  errorType: 'provider_unavailable',
  message: 'The provider sent a stream event that is not a JSON object.',
  providerCode: 'malformed_event',
  upstreamStatus: 0,
  isUnreadable: true,
};

/** An event's data as an object; undefined when it is none. */
export function parseEventData(data: string): JsonObject | undefined {
  let value: JsonValue;
  try {
    value = JSON.parse(data) as JsonValue;
  } catch {
    return undefined;
  }
  return isJsonObject(value) ? value : undefined;
}
