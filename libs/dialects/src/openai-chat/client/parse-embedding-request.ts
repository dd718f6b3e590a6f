import { isJsonObject, type CanonicalEmbeddingRequest, type EmbeddingInput, type JsonObject, type JsonValue } from '@switchyard/core';
import { RequestFields } from './request-fields.js';

const MAX_INPUTS = 2048;
/** Fields with a place in the canonical request, or that are the gateway's own: providers refuse what they do not know. */
const KNOWN_FIELDS = new Set(
  (
    'model models input dimensions encoding_format input_type user route provider plugins preset transforms usage debug service_tier stream stream_options ' +
    'session_id trace metadata'
  ).split(' '),
);

/** @throws SwitchyardError `invalid_request` naming the field. */
export function parseEmbeddingRequest(body: JsonObject): CanonicalEmbeddingRequest {
  const fields = new RequestFields(body);
  return {
    inputs: parseInputs(fields),
    dimensions: fields.number('dimensions', { min: 1, isInteger: true }),
    encodingFormat: fields.oneOf('encoding_format', ['float', 'base64']) ?? 'float',
    inputType: fields.string('input_type'),
    user: fields.string('user'),
    extra: Object.fromEntries(Object.entries(body).filter(([key]) => !KNOWN_FIELDS.has(key))),
  };
}

function parseInputs(fields: RequestFields): EmbeddingInput[] {
  const input = fields.body['input'];
  if (typeof input === 'string') return [{ kind: 'text', text: input }];
  if (!Array.isArray(input) || input.length === 0) throw fields.wrong('input', 'a string, an array of strings, or token numbers');
  if (input.every((entry) => typeof entry === 'number')) return [{ kind: 'tokens', tokens: input }];
  if (input.length > MAX_INPUTS) throw fields.wrong('input', `an array of at most ${MAX_INPUTS}`);
  return input.map((entry, index) => parseInput(fields, entry, index));
}

function parseInput(fields: RequestFields, entry: JsonValue, index: number): EmbeddingInput {
  if (typeof entry === 'string') return { kind: 'text', text: entry };
  if (Array.isArray(entry) && entry.length > 0 && entry.every((token) => typeof token === 'number')) return { kind: 'tokens', tokens: entry };
  if (isJsonObject(entry)) {
    const content = new RequestFields(entry, `input[${index}].`);
    const parts = content.objects('content') ?? [content];
    if (parts.every((part) => part.body['type'] === 'text')) return { kind: 'text', text: parts.map((part) => part.requiredString('text')).join('\n') };
    throw fields.wrong(`input[${index}]`, 'text: other kinds of content are not offered');
  }
  throw fields.wrong(`input[${index}]`, 'a string or an array of token numbers');
}
