import { isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';

/** @throws SwitchyardError `provider_unavailable` when an event's data is not a JSON object. */
export function parseEventData(data: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(data) as JsonValue;
  } catch {
    throw malformed();
  }
  if (!isJsonObject(value)) throw malformed();
  return value;
}

function malformed(): SwitchyardError {
  return new SwitchyardError('provider_unavailable', 'The provider sent a stream event that is not a JSON object.', { providerCode: 'malformed_event' });
}
