import { asObject, asString, isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';

const KEPT = new Set([
  'type',
  'format',
  'title',
  'description',
  'nullable',
  'enum',
  'maxItems',
  'minItems',
  'properties',
  'required',
  'minProperties',
  'maxProperties',
  'minLength',
  'maxLength',
  'pattern',
  'example',
  'anyOf',
  'propertyOrdering',
  'default',
  'items',
  'minimum',
  'maximum',
]);
const MAX_DEPTH = 32;

/** A JSON Schema in the OpenAPI subset of Gemini's `Schema`: references inlined, `const` and type lists rewritten. */
export function openapiSchema(schema: JsonObject): JsonObject {
  return convert(schema, { ...asObject(schema['definitions']), ...asObject(schema['$defs']) }, 0);
}

function convert(schema: JsonObject, definitions: JsonObject, depth: number): JsonObject {
  if (depth > MAX_DEPTH) return { type: 'object' };
  const reference = asString(schema['$ref']);
  if (reference !== undefined) {
    const target = asObject(definitions[reference.split('/').at(-1) ?? '']);
    return target ? convert(target, definitions, depth + 1) : { type: 'object' };
  }
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'const') result['enum'] = [value];
    else if (key === 'oneOf') result['anyOf'] = list(value, definitions, depth);
    else if (!KEPT.has(key)) continue;
    else if (key === 'anyOf') result[key] = list(value, definitions, depth);
    else if (key === 'properties' && isJsonObject(value))
      result[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, isJsonObject(inner) ? convert(inner, definitions, depth + 1) : {}]));
    else if (key === 'items' && isJsonObject(value)) result[key] = convert(value, definitions, depth + 1);
    else if (key === 'type' && Array.isArray(value)) Object.assign(result, typeList(value));
    else result[key] = value;
  }
  return result;
}

function list(value: JsonValue, definitions: JsonObject, depth: number): JsonValue[] {
  return Array.isArray(value) ? value.filter(isJsonObject).map((inner) => convert(inner, definitions, depth + 1)) : [];
}

/** `["string", "null"]` is a nullable string; several others are alternatives. */
function typeList(types: readonly JsonValue[]): JsonObject {
  const names = types.filter((type) => type !== 'null');
  const nullable = names.length < types.length ? { nullable: true } : {};
  const [only] = names;
  return names.length === 1 && only !== undefined ? { type: only, ...nullable } : { anyOf: names.map((type) => ({ type })), ...nullable };
}
