import { asString, isJsonObject, type JsonObject, type JsonValue } from '@switchyard/core';

/** Keywords that structured outputs refuse (https://platform.claude.com/docs/en/build-with-claude/structured-outputs); they only narrow. */
const REFUSED_KEYWORDS = new Set(
  (
    'minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems contains minContains maxContains prefixItems ' +
    'unevaluatedItems minProperties maxProperties patternProperties propertyNames unevaluatedProperties dependentRequired dependentSchemas if then else not'
  ).split(' '),
);
/** They say nothing of a value. */
const DROPPED_KEYWORDS = new Set(['$schema', '$id']);
/** Keywords whose values are maps from names to schemas. */
const SCHEMA_MAPS = new Set(['properties', '$defs', 'definitions', 'patternProperties', 'dependentSchemas']);
/** Keywords whose values are no schemas. */
const VALUES = new Set(['enum', 'const', 'default', 'examples']);
const COMPILED_FORMATS = new Set('date-time time date duration email hostname uri ipv4 ipv6 uuid'.split(' '));
/** Looking around, back references and word boundaries. */
const REFUSED_PATTERN = /\(\?[=!<]|\\[1-9bB]/;

/** A JSON Schema in the subset that Anthropic compiles: closed objects, no numeric or length limits. What is left out is told in descriptions. */
export function anthropicSchema(schema: JsonObject): JsonObject {
  const result: JsonObject = {};
  const untold: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    if (DROPPED_KEYWORDS.has(key)) continue;
    if (!isCompiled(key, value)) untold[key] = value;
    else if (SCHEMA_MAPS.has(key) && isJsonObject(value))
      result[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, schemaOf(inner)]));
    else if (VALUES.has(key)) result[key] = value;
    else if (key !== 'oneOf') result[key] = schemaOf(value);
    else if (schema['anyOf'] === undefined) result['anyOf'] = schemaOf(value);
    else untold[key] = value;
  }
  if (result['type'] === 'object' || result['properties'] !== undefined) result['additionalProperties'] = false;
  return inWords(result, untold);
}

function isCompiled(key: string, value: JsonValue): boolean {
  switch (key) {
    case 'minItems':
      return value === 0 || value === 1;
    case 'items':
      return isJsonObject(value);
    case 'format':
      return COMPILED_FORMATS.has(asString(value) ?? '');
    case 'pattern':
      return !REFUSED_PATTERN.test(asString(value) ?? '');
    default:
      return !REFUSED_KEYWORDS.has(key);
  }
}

function schemaOf(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(schemaOf);
  return isJsonObject(value) ? anthropicSchema(value) : value;
}

/** A schema that tells in its description what it may not say itself. */
function inWords(schema: JsonObject, untold: JsonObject): JsonObject {
  const keywords = Object.entries(untold).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  if (keywords.length === 0) return schema;
  const description = asString(schema['description']) ?? '';
  return { ...schema, description: `${description === '' ? '' : `${description}\n\n`}{${keywords.join(', ')}}` };
}

/** What a tool takes: an object, at whose root the API refuses any choice between schemas. */
export function inputSchema({ oneOf, anyOf, allOf, ...schema }: JsonObject): JsonObject {
  const choices = Object.entries({ oneOf, anyOf, allOf }).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
  return inWords({ type: 'object', ...(schema['properties'] === undefined ? { properties: {} } : {}), ...schema }, Object.fromEntries(choices));
}

/** Whether its grammar can say what the schema means: it knows no objects of any names, no schemas within themselves and none that are elsewhere. */
export function isCompilable(schema: JsonObject): boolean {
  return !hasOpenObject(schema) && !isRecursive(schema);
}

function hasOpenObject(value: JsonValue): boolean {
  if (Array.isArray(value)) return value.some(hasOpenObject);
  if (!isJsonObject(value)) return false;
  return isOpenObject(value) || schemasIn(value).some(hasOpenObject);
}

/** Closed, it would hold nothing of what it is for. */
function isOpenObject(schema: JsonObject): boolean {
  if (isJsonObject(schema['additionalProperties']) || schema['patternProperties'] !== undefined) return true;
  const { type } = schema;
  const isObject = type === 'object' || (Array.isArray(type) && type.includes('object'));
  const isTold = ['properties', '$ref', 'anyOf', 'oneOf', 'allOf', 'enum', 'const'].some((key) => schema[key] !== undefined);
  return isObject && !isTold && schema['additionalProperties'] !== false;
}

/** What is under a schema's keywords, as far as it may be schemas. */
function schemasIn(schema: JsonObject): JsonValue[] {
  return Object.entries(schema).flatMap(([key, value]) => {
    if (VALUES.has(key)) return [];
    return SCHEMA_MAPS.has(key) && isJsonObject(value) ? Object.values(value) : [value];
  });
}

/** Without recursion, since a client may name thousands in a row. */
function isRecursive(root: JsonObject): boolean {
  const states = new Map<string, 'entered' | 'left'>();
  const pending = ['#'];
  for (let name = pending.at(-1); name !== undefined; name = pending.at(-1)) {
    if (states.has(name)) {
      states.set(name, 'left');
      pending.pop();
      continue;
    }
    states.set(name, 'entered');
    const target = schemaNamed(name, root);
    if (target === undefined) return true;
    for (const inner of namesIn(target)) {
      if (states.get(inner) === 'entered') return true;
      if (!states.has(inner)) pending.push(inner);
    }
  }
  return false;
}

/** Undefined for one that is not in this document. */
function schemaNamed(name: string, root: JsonObject): JsonValue | undefined {
  if (!/^#(\/|$)/.test(name)) return undefined;
  let target: JsonValue | undefined = root;
  for (const segment of name.split('/').slice(1)) {
    if (!isJsonObject(target) || !Object.hasOwn(target, segment)) return undefined;
    target = target[segment];
  }
  return target;
}

/** Schemas that this one names, itself or within. */
function namesIn(value: JsonValue): string[] {
  if (Array.isArray(value)) return value.flatMap(namesIn);
  if (!isJsonObject(value)) return [];
  const name = asString(value['$ref']);
  return [...(name === undefined ? [] : [name]), ...schemasIn(value).flatMap(namesIn)];
}
