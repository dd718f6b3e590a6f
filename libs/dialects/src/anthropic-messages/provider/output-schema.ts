import { isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';

/** Keywords that structured outputs refuse (https://platform.claude.com/docs/en/build-with-claude/structured-outputs); they only narrow. */
const REFUSED_KEYWORDS = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  '$schema',
  '$id',
]);
/** Keywords whose values are maps from names to schemas. */
const SCHEMA_MAPS = new Set(['properties', '$defs', 'definitions', 'patternProperties']);

/** A JSON Schema in the subset that Anthropic compiles: closed objects, no numeric or length limits. */
export function anthropicSchema(schema: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    if (REFUSED_KEYWORDS.has(key) || (key === 'minItems' && value !== 0 && value !== 1)) continue;
    if (SCHEMA_MAPS.has(key) && isJsonObject(value)) result[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, schemaOf(inner)]));
    else if (key === 'enum' || key === 'const' || key === 'default' || key === 'examples') result[key] = value;
    else result[key] = schemaOf(value);
  }
  if (result['type'] === 'object' || result['properties'] !== undefined) result['additionalProperties'] = false;
  return result;
}

function schemaOf(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(schemaOf);
  return isJsonObject(value) ? anthropicSchema(value) : value;
}
