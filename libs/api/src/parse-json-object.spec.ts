import { describe, expect, it } from '@jest/globals';
import { parseJsonObject } from './parse-json-object.js';

const MAX_DEPTH = 16;

describe('parseJsonObject', () => {
  // None of them ends, so that a parser would have called them no JSON.
  it.each([
    ['objects', '{"a":[' + '{},'.repeat(600_000), /more than 500000 texts, names, objects and arrays/],
    ['arrays', '{"a":[' + '[],'.repeat(600_000), /more than 500000/],
    ['texts', '{"a":[' + '"b",'.repeat(600_000), /more than 500000/],
    ['names', '{' + '"b":1,'.repeat(600_000), /more than 500000/],
    ['levels', '{"a":' + '['.repeat(600_000), /nested more than 16 levels deep/],
  ])('refuses a large body of very many %s before it is parsed', (_what, json, message) => {
    expect(() => parseJsonObject(Buffer.from(json), MAX_DEPTH)).toThrow(message);
  });

  it.each([
    ['brackets', '[{'.repeat(600_000)],
    ['quotes', '"a"'.repeat(600_000)],
    ['backslashes', '\\'.repeat(600_000)],
    ['letters', 'ä\n'.repeat(600_000)],
  ])('takes a large text of %s for one text', (_what, text) => {
    const object = { text, list: Array.from({ length: 1_000 }, () => ({ text: '\\' })) };
    expect(parseJsonObject(Buffer.from(JSON.stringify(object)), MAX_DEPTH)).toEqual(object);
  });
});
