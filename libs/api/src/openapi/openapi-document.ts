import { z } from 'zod';
import { errorEnvelopeSchema } from '../openrouter/error-envelope.js';
import { OPERATIONS, type Operation } from './operations.js';

type JsonSchema = Record<string, unknown>;

/** OpenAPI 3.1 description of the public API, made of the schemas that validate it. `version` is the program's. */
export function openapiDocument(version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of OPERATIONS) (paths[operation.path] ??= {})[operation.method] = describe(operation);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Switchyard',
      version,
      description: 'One OpenAI-compatible API in front of every LLM provider.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/api/v1' }, { url: '/v1' }],
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: jsonSchema(errorEnvelopeSchema, 'output') },
    },
  };
}

export { OPERATIONS, type Operation };

function describe(operation: Operation): Record<string, unknown> {
  const parameters = [...pathParameters(operation.path), ...queryParameters(operation.query)];
  return {
    operationId: operation.operationId,
    summary: operation.summary,
    description: ACCESS_SENTENCES[operation.access],
    ...(operation.access === 'public' ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(operation.body ? { requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(operation.body, 'input') } } } } : {}),
    responses: {
      [String(operation.status ?? 200)]: { description: 'Success', content: successContent(operation) },
      default: {
        description: 'Error; `error.code` repeats the HTTP status',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

const ACCESS_SENTENCES: Readonly<Record<Operation['access'], string>> = {
  public: 'Needs no key.',
  inference: 'Needs an inference key.',
  management: 'Needs a management key.',
  'any key': 'Needs a key of either kind.',
};

function successContent(operation: Operation): Record<string, unknown> {
  const content: Record<string, unknown> = { 'application/json': { schema: jsonSchema(operation.response, 'output') } };
  if (operation.streamEvent) content['text/event-stream'] = { schema: jsonSchema(operation.streamEvent, 'output') };
  for (const mediaType of operation.otherMediaTypes ?? []) content[mediaType] = { schema: { type: 'string' } };
  return content;
}

function pathParameters(path: string): JsonSchema[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
}

function queryParameters(query: z.ZodObject | undefined): JsonSchema[] {
  if (!query) return [];
  const schema = jsonSchema(query, 'output') as { properties?: Record<string, JsonSchema>; required?: string[] };
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    in: 'query',
    required: schema.required?.includes(name) ?? false,
    schema: property,
  }));
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' });
  void $schema;
  return rest;
}
