import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { openapiDocument, OPERATIONS } from './openapi-document.js';

interface Document {
  paths: Record<
    string,
    Record<string, { operationId: string; parameters?: { name: string; in: string }[]; requestBody?: { content: Record<string, { schema: object }> } }>
  >;
}

const document = openapiDocument('1.2.3') as unknown as Document;

describe('openapiDocument', () => {
  it('describes every operation once', () => {
    const ids = Object.values(document.paths).flatMap((methods) => Object.values(methods).map((operation) => operation.operationId));
    expect(ids.sort()).toEqual(OPERATIONS.map((operation) => operation.operationId).sort());
    expect(document.paths['/models/{author}/{slug}/endpoints']?.['get']?.parameters?.map((parameter) => parameter.name)).toEqual(['author', 'slug']);
    expect(document.paths['/models']?.['get']?.parameters?.map((parameter) => parameter.name)).toContain('supported_parameters');
  });

  it('carries schemas that judge like the ones that validate', () => {
    const schema = document.paths['/chat/completions']?.['post']?.requestBody?.content['application/json']?.schema;
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema ?? {});
    const chat = { model: 'a/b', messages: [{ role: 'user', content: 'x' }] };
    expect(validate({ ...chat, unknown_parameter: 1 })).toBe(true);
    expect(validate({ ...chat, provider: { sort: 'price' } })).toBe(true);
    expect(validate({ ...chat, provider: { foo: 1 } })).toBe(false);
    expect(validate({ ...chat, session_id: 'x'.repeat(257) })).toBe(false);
    expect(validate({ ...chat, messages: [{ role: 'user' }] })).toBe(false);
  });
});
