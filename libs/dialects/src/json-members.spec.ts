import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { endOfValue, firstToken, walkArray, walkObject } from './json-members.js';

const INDENTS = fc.constantFrom(undefined, 1, '\t', '\r\n ');

interface Range {
  readonly name?: string;
  readonly start: number;
  readonly end: number;
}

function membersOf(json: Buffer): Range[] {
  const members: Range[] = [];
  walkObject(json, firstToken(json), (name, start) => {
    const end = endOfValue(json, start);
    members.push({ name, start, end });
    // Whoever walked over a value itself says where it ended; the others let the walk do it.
    return members.length % 2 === 0 ? end : undefined;
  });
  return members;
}

function elementsOf(json: Buffer): Range[] {
  const elements: Range[] = [];
  walkArray(json, firstToken(json), (start) => {
    elements.push({ start, end: endOfValue(json, start) });
    return undefined;
  });
  return elements;
}

function valueOf(json: Buffer, { start, end }: Range): unknown {
  return JSON.parse(json.toString('utf8', start, end)) as unknown;
}

describe('JSON that is looked at without being parsed', () => {
  it('has the members that a parser finds', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), INDENTS, (object, indent) => {
        const json = Buffer.from(` \n${JSON.stringify(object, null, indent)} `);
        expect(membersOf(json).map((member) => [JSON.parse(`"${Buffer.from(member.name!, 'latin1').toString()}"`), valueOf(json, member)])).toEqual(
          Object.entries(JSON.parse(JSON.stringify(object)) as object),
        );
      }),
    );
  });

  it('has the elements that a parser finds', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), INDENTS, (array, indent) => {
        const json = Buffer.from(JSON.stringify(array, null, indent));
        expect(elementsOf(json).map((element) => valueOf(json, element))).toEqual(JSON.parse(JSON.stringify(array)));
      }),
    );
  });

  it('says where they end, and that there is none', () => {
    expect(walkObject(Buffer.from('{"a":{}} '), 0, () => undefined)).toBe(8);
    expect(walkArray(Buffer.from('[1,[2]]'), 0, () => undefined)).toBe(7);
    expect(walkObject(Buffer.from('[1]'), 0, () => undefined)).toBeUndefined();
    expect(walkArray(Buffer.from('{}'), 0, () => undefined)).toBeUndefined();
  });

  it('tells texts from their quotes and backslashes', () => {
    const json = Buffer.from(String.raw`{"a\"b":"c:\\","d":"\\\"}","e":["]\"",{"f":"{"}],"g":-1.5e3}`);
    expect(membersOf(json).map(({ name, start, end }) => [name, json.toString('utf8', start, end)])).toEqual([
      [String.raw`a\"b`, String.raw`"c:\\"`],
      ['d', String.raw`"\\\"}"`],
      ['e', String.raw`["]\"",{"f":"{"}]`],
      ['g', '-1.5e3'],
    ]);
  });

  it('comes to an end, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\ a1'.split('')) }), (text) => {
        for (const { start, end } of [...membersOf(Buffer.from(`{${text}`)), ...elementsOf(Buffer.from(`[${text}`))]) {
          expect(end).toBeGreaterThanOrEqual(start);
        }
      }),
    );
  });
});
