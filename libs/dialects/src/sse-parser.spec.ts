import { describe, expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import fc from 'fast-check';
import { SseParser, type SseEvent } from './sse-parser.js';

function parseInPieces(bytes: Uint8Array, cuts: readonly number[]): SseEvent[] {
  const parser = new SseParser();
  const events: SseEvent[] = [];
  let from = 0;
  for (const cut of [...new Set(cuts)].sort((a, b) => a - b).concat(bytes.length)) {
    const piece = Uint8Array.from(bytes.subarray(from, cut));
    events.push(...parser.push(piece));
    piece.fill(0x58);
    from = cut;
  }
  return events;
}

const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const text = fc.string({ unit: 'grapheme', maxLength: 12 }).map((value) => value.replaceAll(/[\r\n]/g, ' '));
const event = fc.record({
  comment: fc.option(text, { nil: undefined }),
  event: fc.option(text, { nil: undefined }),
  data: fc.array(text, { minLength: 1, maxLength: 3 }),
});

describe('SseParser', () => {
  it('reads the same events however the bytes are split', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 6 }), lineEnd, fc.array(fc.nat(600), { maxLength: 40 }), (events, end, cutSeeds) => {
        const wire = events
          .map(({ comment, event: name, data }) =>
            [
              ...(comment === undefined ? [] : [`:${comment}`]),
              ...(name === undefined ? [] : [`event: ${name}`]),
              ...data.map((line) => `data: ${line}`),
              '',
              '',
            ].join(end),
          )
          .join('');
        const bytes = new TextEncoder().encode(wire);
        const expected = events.map(({ event: name, data }) => (name === undefined ? { data: data.join('\n') } : { event: name, data: data.join('\n') }));
        expect(
          parseInPieces(
            bytes,
            cutSeeds.map((seed) => (bytes.length === 0 ? 0 : seed % bytes.length)),
          ),
        ).toEqual(expected);
        expect(parseInPieces(bytes, [...bytes.keys()])).toEqual(expected);
      }),
    );
  });

  it('reads pieces that look like a whole event as what they are behind the pieces before them', () => {
    const token = fc.constantFrom(
      'data: x\n\n',
      'data: y\n',
      '\n',
      '\r',
      'event: e\n',
      'data: ',
      'data:z\n\n',
      ':\n\n',
      'data: a\rdata: b\n\n',
      'data: w\r\n\r\n',
      'ü\n\n',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (pieces) => {
        const encoded = pieces.map((piece) => new TextEncoder().encode(piece));
        const parser = new SseParser();
        const bytes = Buffer.concat(encoded);
        expect(encoded.flatMap((piece) => parser.push(piece))).toEqual(parseInPieces(bytes, [...bytes.keys()]));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps characters whole when a chunk ends inside one', () => {
    const bytes = new TextEncoder().encode('data: {"text":"日本🚂"}\n\n');
    for (let cut = 1; cut < bytes.length; cut++) expect(parseInPieces(bytes, [cut])).toEqual([{ data: '{"text":"日本🚂"}' }]);
  });

  it('joins data lines, drops one leading space, skips comments, unknown fields and a byte order mark', () => {
    const wire = '\uFEFFdata: one\n\n: OPENROUTER PROCESSING\n\nid: 7\nretry: 10\ndata:  two\ndata:three\ndata\n\ndata: [DONE]\n\n';
    expect(new SseParser().push(new TextEncoder().encode(wire))).toEqual([{ data: 'one' }, { data: ' two\nthree\n' }, { data: '[DONE]' }]);
  });

  it('does not report an event that the end of the stream cut off', () => {
    expect(new SseParser().push(new TextEncoder().encode('data: whole\n\ndata: cut'))).toEqual([{ data: 'whole' }]);
  });

  it.each([
    ['a line without end', 'data: ' + 'x'.repeat(200)],
    ['an event of many lines', 'data: xxxxxxxxxxxxxxxx\n'.repeat(20)],
  ])('refuses %s beyond its limit with a typed error', (_name, wire) => {
    const parser = new SseParser({ maxEventBytes: 100 });
    const pushAll = (): void => {
      for (const byte of new TextEncoder().encode(wire)) parser.push(Uint8Array.of(byte));
    };
    expect(pushAll).toThrow(SwitchyardError);
    expect(pushAll).toThrow(/more than 100 bytes/);
  });
});
