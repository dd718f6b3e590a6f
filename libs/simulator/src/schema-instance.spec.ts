import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { instanceOf } from './schema-instance.js';

const text = { type: 'string' };
const step = { type: 'object', properties: { explanation: text, output: text }, required: ['explanation', 'output'], additionalProperties: false };
/** As OpenAI's guide to structured outputs writes them. */
const linkedList = {
  type: 'object',
  properties: { linked_list: { $ref: '#/$defs/node' } },
  $defs: {
    node: {
      type: 'object',
      properties: { value: { type: 'number' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
      required: ['value', 'next'],
      additionalProperties: false,
    },
  },
  required: ['linked_list'],
  additionalProperties: false,
};
const userInterface = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['div', 'button'] },
    children: { type: 'array', items: { $ref: '#' } },
    attributes: { type: 'array', items: { type: 'object', properties: { name: text }, required: ['name'] } },
  },
  required: ['type', 'children', 'attributes'],
};

describe('instanceOf', () => {
  it.each<[string, object]>([
    [
      'that refers to a definition, as classes within classes do',
      {
        $ref: '#/$defs/Steps',
        $defs: { Step: step, Steps: { type: 'object', properties: { steps: { type: 'array', items: { $ref: '#/$defs/Step' } } }, required: ['steps'] } },
      },
    ],
    ['whose definition has a name with a slash', { $ref: '#/$defs/a~1b', $defs: { 'a/b': step } }],
    ['that refers to itself through a choice', linkedList],
    ['that refers to itself through a list', userInterface],
    [
      'that refers to itself where it need not',
      { type: 'object', properties: { left: { $ref: '#' }, right: { $ref: '#' }, value: text }, required: ['value'] },
    ],
    [
      'of parts',
      {
        allOf: [
          { ...step, additionalProperties: true },
          { type: 'object', properties: { more: text, output: text }, required: ['more'] },
        ],
        unevaluatedProperties: false,
      },
    ],
    ['with a choice of one', { type: 'object', properties: { kind: { oneOf: [{ const: 'circle' }, { const: 'square' }] } }, required: ['kind'] }],
    [
      'with a choice of what is demanded',
      { type: 'object', properties: { a: text, b: { type: 'integer' } }, anyOf: [{ required: ['a'] }, { required: ['b'] }] },
    ],
    ['with names that are demanded and not described', { type: 'object', required: ['a'], additionalProperties: { type: 'integer' } }],
    [
      'with bounds of numbers',
      {
        type: 'array',
        prefixItems: [
          { type: 'integer', maximum: 5 },
          { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
          { type: 'integer', exclusiveMinimum: 10 },
          { type: 'integer', multipleOf: 5 },
          { type: 'number', maximum: -2 },
        ],
      },
    ],
    [
      'with bounds of lengths',
      {
        type: 'object',
        properties: {
          long: { type: 'string', minLength: 40 },
          short: { type: 'string', maxLength: 3 },
          none: { type: 'array', maxItems: 0 },
          three: { type: 'array', items: text, minItems: 3 },
        },
      },
    ],
    ['with null first', { type: ['null', 'string'] }],
  ])('makes what a schema accepts %s', (_how, schema) => {
    const validate = new Ajv2020({ strict: false }).compile(schema);
    const instance = instanceOf(schema);
    expect([validate(instance), validate.errors, instance]).toEqual([true, null, instance]);
  });

  it.each([
    ['date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/],
    ['date', /^\d{4}-\d\d-\d\d$/],
    ['email', /^\S+@\S+$/],
    ['uuid', /^[0-9a-f-]{36}$/],
  ])('writes a %s as such', (format, pattern) => {
    expect(instanceOf({ type: 'string', format })).toMatch(pattern);
  });

  it('has an empty object where there is no schema, and an end where a schema demands none', () => {
    expect(instanceOf(undefined)).toEqual({});
    expect(
      JSON.stringify(instanceOf({ $ref: '#/$defs/A', $defs: { A: { type: 'object', properties: { a: { $ref: '#/$defs/A' } }, required: ['a'] } } })).length,
    ).toBeLessThan(1_000);
  });
});
