import { gzipSync } from 'node:zlib';
import type { Script } from './failing-upstream.js';
import { COUNTS, FAILING_WIRES, TEXT, type Counts, type FailingWire } from './failing-wires.js';
import { CLIENT_LEAVES, FAR_TOO_MUCH, FAULTS, STOPS_FOR_A_WHILE, STOPS_FOR_GOOD, type Cell, type Fault, type Point } from './stream-failure-table.js';

/** Bound of whole answers in the tests. */
export const MAX_ANSWER_BYTES = 256 * 1024;
/** More than one event of a stream may have. */
const HUGE_BYTES = 33 * 1024 * 1024;
const HUGE = Buffer.alloc(HUGE_BYTES, 'x');
/** More than all headers together may have. */
const HUGE_HEADER = Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nx-huge: '), Buffer.alloc(1024 * 1024, 'x')]);
const GARBAGE = '\u0000}{\u00ff';
/** What a reader that stops cannot take at once, whatever buffers are on the way. */
const FLOOD_PIECES = 1_200;
const FLOOD_PIECE = 'y'.repeat(16 * 1024);
export const FLOOD_TEXT_LENGTH = FLOOD_PIECES * FLOOD_PIECE.length;

const LAST_CHUNK = '0\r\n\r\n';

interface HeadOptions {
  readonly status?: string;
  /** `''` leaves it out. */
  readonly contentType?: string;
  readonly headers?: readonly string[];
}

function head(isStreamed: boolean, framing: string | undefined, { status = '200 OK', contentType, headers = [] }: HeadOptions = {}): string {
  const type = contentType ?? (isStreamed ? 'text/event-stream' : 'application/json');
  return [`HTTP/1.1 ${status}`, ...(type === '' ? [] : [`content-type: ${type}`]), ...(framing === undefined ? [] : [framing]), ...headers, '', ''].join(
    '\r\n',
  );
}

const chunkedHead = (isStreamed: boolean, options?: HeadOptions): string => head(isStreamed, 'transfer-encoding: chunked', options);
const chunk = (text: string | Uint8Array): string => {
  const bytes = Buffer.from(text as string);
  return `${bytes.length.toString(16)}\r\n${bytes.toString('latin1')}\r\n`;
};
const steps = (...texts: readonly string[]): Uint8Array[] => texts.filter((text) => text !== '').map((text) => Buffer.from(text, 'latin1'));
/** A body of known length: the connection can be used again. */
const sized = (isStreamed: boolean, body: string | Uint8Array, options: HeadOptions = {}): Script => {
  const bytes = Buffer.from(body as string);
  return [Buffer.from(head(isStreamed, `content-length: ${bytes.length}`, options)), bytes];
};

/** What answers in the place of a provider that fails. */
export const STANDBY_TEXT = TEXT.replace('Hello, ', 'Instead: ');
export const STANDBY_COUNTS: Counts = { prompt: 11, completion: 9 };
export function standbyScript(isStreamed: boolean): Script {
  const { openai } = FAILING_WIRES;
  const body = isStreamed ? spoken(openai) + openai.stream.usage(STANDBY_COUNTS) + openai.stream.terminator : openai.whole(openai.wholeUsage(STANDBY_COUNTS));
  return sized(isStreamed, body.replace('Hello, ', 'Instead: '));
}

/** A stream without usage, and one without its last word. */
const spoken = ({ stream }: FailingWire): string => stream.preamble + stream.contents.join('') + stream.finish;
const unterminated = (wire: FailingWire): string => spoken(wire) + wire.stream.usage(COUNTS);
const streamOf = (wire: FailingWire): string => unterminated(wire) + wire.stream.terminator;
const wholeOf = (wire: FailingWire): string => wire.whole(wire.wholeUsage(COUNTS));
const answerOf = (cell: Cell): string => (cell.isStreamed ? streamOf(wireOf(cell)) : wholeOf(wireOf(cell)));
const wireOf = (cell: Cell): FailingWire => FAILING_WIRES[cell.wire];

/** What the provider of a cell sends. */
export function scriptOf(cell: Cell): Script {
  if (cell.fault === CLIENT_LEAVES) return leavingScript(cell);
  const fault = FAULTS.find((name) => name === cell.fault);
  if (fault === undefined) return SPECIAL[cell.fault]?.(wireOf(cell), cell.isStreamed, cell) ?? missing(cell);
  if (cell.point === 'before the headers') return silentScript(wireOf(cell), fault);
  return cell.isStreamed ? streamedScript(wireOf(cell), fault, cell.point as Point) : wholeScript(wireOf(cell), fault, cell.point as Point);
}

function missing(cell: Cell): never {
  throw new Error(`there is no script for "${cell.fault}"`);
}

function silentScript({ errorBody }: FailingWire, fault: Fault): Script {
  switch (fault) {
    case 'cut':
      return ['close'];
    case 'stall':
      return ['hold'];
    case 'garbage':
      return [Buffer.from(`${GARBAGE} is no HTTP\r\n\r\n`), 'hold'];
    case 'error frame':
      return sized(false, errorBody, { status: '500 Internal Server Error' });
    case 'huge line':
      return [HUGE_HEADER, 'hold'];
  }
}

/** The events before a point, and for the middle of one its first half. */
function streamUntil(wire: FailingWire, point: Point): { readonly before: string; readonly half: string } {
  const { preamble, contents, finish } = wire.stream;
  const second = contents[1];
  switch (point) {
    case 'before the headers':
    case 'after the headers':
      return { before: '', half: '' };
    case 'before the first content':
      return { before: preamble, half: '' };
    case 'in mid-chunk':
      return { before: preamble + contents[0], half: second.slice(0, second.indexOf('wide') + 2) };
    case 'between chunks':
      return { before: preamble + contents[0], half: '' };
    case 'after the finish reason':
      return { before: preamble + contents.join('') + finish, half: '' };
    case 'before the terminator':
      return { before: unterminated(wire), half: '' };
  }
}

function streamedScript(wire: FailingWire, fault: Fault, point: Point): Script {
  const { before, half } = streamUntil(wire, point);
  const sent = steps(chunkedHead(true), before === '' ? '' : chunk(before));
  // An HTTP chunk that is announced in full and comes by half.
  const torn = half === '' ? [] : steps(beginningOf(chunk(wire.stream.contents[1]), half.length));
  switch (fault) {
    case 'cut':
      return [...sent, ...torn, 'close'];
    case 'stall':
      return [...sent, ...torn, 'hold'];
    case 'garbage':
      return [...sent, ...steps(chunk(half === '' ? `data: ${GARBAGE}\n\n` : `${half}${GARBAGE}\n\n`)), 'hold'];
    case 'error frame':
      return [...sent, ...steps(chunk(half === '' ? wire.errorEvent : `${half}\n\n${wire.errorEvent}`)), 'hold'];
    case 'huge line':
      return [...sent, ...hugeChunk(half === '' ? 'data: "' : half), 'hold'];
  }
}

/** An HTTP chunk with no more than the first bytes of what it announces. */
function beginningOf(announced: string, lengthBytes: number): string {
  return announced.slice(0, announced.indexOf('\r\n') + 2 + lengthBytes);
}

function hugeChunk(beginning: string): Uint8Array[] {
  return [Buffer.from(`${(beginning.length + HUGE_BYTES).toString(16)}\r\n${beginning}`), HUGE, Buffer.from('\r\n')];
}

function wholeUntil(wire: FailingWire, point: Point): string {
  const body = wholeOf(wire);
  switch (point) {
    case 'in mid-chunk':
    case 'between chunks':
      return body.slice(0, body.indexOf('wide'));
    case 'after the finish reason': {
      const reason = /"(finish_reason|stop_reason|finishReason)":"\w+"/.exec(body)!;
      return body.slice(0, reason.index + reason[0].length);
    }
    case 'before the terminator':
      return body;
    case 'before the headers':
    case 'after the headers':
    case 'before the first content':
      return '';
  }
}

function wholeScript(wire: FailingWire, fault: Fault, point: Point): Script {
  const before = wholeUntil(wire, point);
  const isTorn = point === 'in mid-chunk';
  const sent = steps(chunkedHead(false), before === '' ? '' : isTorn ? beginningOf(chunk(wholeOf(wire)), before.length) : chunk(before));
  const joined = (more: string): Script =>
    isTorn ? steps(chunkedHead(false), chunk(before + more) + LAST_CHUNK) : [...sent, ...steps(chunk(more) + LAST_CHUNK)];
  switch (fault) {
    case 'cut':
      return [...sent, 'close'];
    case 'stall':
      return [...sent, 'hold'];
    case 'garbage':
      return joined(GARBAGE);
    case 'error frame':
      return joined(wire.errorBody);
    case 'huge line':
      return [...steps(chunkedHead(false)), ...steps(chunk(`${before}${'x'.repeat(MAX_ANSWER_BYTES + 1)}`)), 'hold'];
  }
}

/** Stops at a point until the client has left; a whole answer is then finished. */
function leavingScript(cell: Cell): Script {
  const wire = wireOf(cell);
  const point = cell.point as Point;
  if (cell.isStreamed) return point === 'before the headers' ? ['hold'] : streamedScript(wire, 'stall', point);
  if (point === 'before the headers') return ['hold', ...sized(false, wholeOf(wire))];
  const before = wholeUntil(wire, point);
  const rest = wholeOf(wire).slice(before.length);
  return [...steps(chunkedHead(false), before === '' ? '' : chunk(before)), 'hold', ...steps((rest === '' ? '' : chunk(rest)) + LAST_CHUNK)];
}

type Special = (wire: FailingWire, isStreamed: boolean, cell: Cell) => Script;

/** An answer whose usage object is this one. */
const withUsage =
  (usage: (counts: Counts, wire: FailingWire) => Counts | undefined): Special =>
  (wire, isStreamed) => {
    const counts = usage(COUNTS, wire);
    if (isStreamed) return sized(true, spoken(wire) + (counts === undefined ? '' : wire.stream.usage(counts)) + wire.stream.terminator);
    return sized(false, wire.whole(counts === undefined ? undefined : wire.wholeUsage(counts)));
  };

/** The same with an object of OpenAI's dialect alone. */
const withUsageObject =
  (usage: unknown): Special =>
  (wire, isStreamed) => {
    const event = `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'native', choices: [], usage })}\n\n`;
    return isStreamed ? sized(true, spoken(wire) + event + wire.stream.terminator) : sized(false, wire.whole(usage));
  };

const afterTerminator =
  (more: (wire: FailingWire) => string): Special =>
  (wire) =>
    sized(true, streamOf(wire) + more(wire));

const gzipped =
  (change: (zipped: Buffer) => Uint8Array): Special =>
  (_wire, isStreamed, cell) =>
    sized(isStreamed, change(gzipSync(answerOf(cell))), { headers: ['content-encoding: gzip'] });

const CONNECTIONS: Readonly<Record<string, Special>> = {
  // Nobody is there to play these.
  'a refused connection': () => [],
  'a host name that does not resolve': () => [],
  'no TLS where TLS is asked for': () => [],
  'a reset connection, before the headers': () => ['reset'],
  'a reset connection, between chunks': (wire) => [...steps(chunkedHead(true), chunk(streamUntil(wire, 'between chunks').before)), 'reset'],
  'a reset connection, before the terminator': (wire) => [...steps(chunkedHead(true), chunk(unterminated(wire))), 'reset'],
  'a cut of a body without a length': (wire, isStreamed) => [
    ...steps(head(isStreamed, undefined), isStreamed ? wire.stream.preamble : wholeUntil(wire, 'between chunks')),
    'close',
  ],
  'a cut of a body without a length, between chunks': (wire) => [...steps(head(true, undefined), streamUntil(wire, 'between chunks').before), 'close'],
  'a body without a length that ends after the finish reason': (wire) => [...steps(head(true, undefined), spoken(wire)), 'close'],
  'less than the announced length': (wire) => [...steps(head(false, 'content-length: 1000'), wholeOf(wire)), 'close'],
  'bytes that are no HTTP chunk, between chunks': (wire) => [
    ...steps(chunkedHead(true), chunk(streamUntil(wire, 'between chunks').before), 'no size\r\n'),
    'hold',
  ],
  'bytes that are no HTTP chunk, after the finish reason': (wire) => [...steps(chunkedHead(true), chunk(spoken(wire)), 'no size\r\n'), 'hold'],
  'headers of one byte every 20 ms': () => [...steps('HTTP/1.1 200 OK\r\nx-slow: '), 'drip'],
  'an event of one byte every 20 ms, before the first content': (wire) => [...steps(chunkedHead(true), chunk(wire.stream.preamble), 'fffff\r\ndata: '), 'drip'],
  'an event of one byte every 20 ms, after the first content': (wire) => [
    ...steps(chunkedHead(true), chunk(streamUntil(wire, 'between chunks').before), 'fffff\r\ndata: '),
    'drip',
  ],
  'a body of one byte every 20 ms': () => [...steps(chunkedHead(false), 'fffff\r\n{"id":"'), 'drip'],
};

const REFUSALS: Readonly<Record<string, Special>> = {
  'status 500': ({ errorBody }) => sized(false, errorBody, { status: '500 Internal Server Error' }),
  'status 503': ({ errorBody }) => sized(false, errorBody, { status: '503 Service Unavailable' }),
  'status 429 without Retry-After': ({ errorBody }) => sized(false, errorBody, { status: '429 Too Many Requests' }),
  'status 302': () => sized(false, '', { status: '302 Found', headers: ['location: /elsewhere'] }),
  'status 200 with an error body': ({ errorBody }) => sized(false, errorBody),
};

const FORMATS: Readonly<Record<string, Special>> = {
  'content type text/html': (_wire, isStreamed) => sized(isStreamed, '<html>It works!</html>', { contentType: 'text/html' }),
  'a whole answer where a stream was asked for': (wire) => sized(false, wholeOf(wire)),
  'a stream where a whole answer was asked for': (wire) => sized(true, streamOf(wire)),
  'no content type': (_wire, isStreamed, cell) => sized(isStreamed, answerOf(cell), { contentType: '' }),
  'an empty body': (_wire, isStreamed) => sized(isStreamed, ''),
  'gzip that nobody asked for': gzipped((zipped) => zipped),
  'gzip that is cut': gzipped((zipped) => zipped.subarray(0, 20)),
  'gzip that is none': (_wire, isStreamed, cell) => sized(isStreamed, answerOf(cell), { headers: ['content-encoding: gzip'] }),
  'a content encoding that nobody knows': (_wire, isStreamed, cell) => sized(isStreamed, answerOf(cell), { headers: ['content-encoding: rot13'] }),
  'gzip that unfolds beyond the bound': () => sized(false, gzipSync(Buffer.alloc(64 * 1024 * 1024, ' ')), { headers: ['content-encoding: gzip'] }),
  'a line of 1 MiB': (wire) => sized(true, `: ${'x'.repeat(1024 * 1024)}\n${streamOf(wire)}`),
  'an answer just under the bound': (wire) => sized(false, wholeOf(wire).padEnd(MAX_ANSWER_BYTES)),
};

const ENDS: Readonly<Record<string, Special>> = {
  'the terminator twice': afterTerminator((wire) => wire.stream.terminator),
  'content after the terminator': afterTerminator((wire) => wire.stream.contents[0]),
  'garbage after the terminator': afterTerminator(() => `data: ${GARBAGE}\n\n`),
  'an error frame after the terminator': afterTerminator((wire) => wire.errorEvent),
  'a terminator without a finish reason': (wire) =>
    sized(true, wire.stream.preamble + wire.stream.contents.join('') + wire.stream.usage(COUNTS) + wire.stream.terminator),
  'no terminator': (wire) => sized(true, unterminated(wire)),
  'a finish reason and no usage': (wire) => sized(true, spoken(wire) + wire.stream.terminator),
};

const USAGE: Readonly<Record<string, Special>> = {
  'usage missing': withUsage(() => undefined),
  'usage null': withUsageObject(null),
  'negative usage': withUsage(() => ({ prompt: -11, completion: -7 })),
  'usage of text': withUsageObject({ prompt_tokens: '11', completion_tokens: '7', total_tokens: '18' }),
  'usage of zero tokens for an answer': withUsage(() => ({ prompt: 0, completion: 0 })),
  [FAR_TOO_MUCH]: withUsage(() => ({ prompt: COUNTS.prompt, completion: 1e300 })),
  'fractions of tokens': withUsageObject({ prompt_tokens: 11.9, completion_tokens: 7.9, total_tokens: 19.8 }),
  'a total that is not the sum': withUsageObject({ prompt_tokens: 11, completion_tokens: 7, total_tokens: 3 }),
  'details beyond their total': withUsageObject({
    prompt_tokens: 11,
    completion_tokens: 7,
    total_tokens: 18,
    prompt_tokens_details: { audio_tokens: -5, cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 1_000_000 },
  }),
};

const flood: Special = (wire) => [
  ...steps(chunkedHead(true), chunk(wire.stream.preamble)),
  ...Array.from({ length: FLOOD_PIECES }, () => FLOOD_CHUNK),
  ...steps(chunk(wire.stream.finish + wire.stream.usage(COUNTS) + wire.stream.terminator) + LAST_CHUNK),
];
const READERS: Readonly<Record<string, Special>> = { [STOPS_FOR_A_WHILE]: flood, [STOPS_FOR_GOOD]: flood };
const FLOOD_CHUNK = Buffer.from(
  chunk(`data: ${JSON.stringify({ id: 'chatcmpl-1', choices: [{ index: 0, delta: { content: FLOOD_PIECE }, finish_reason: null }] })}\n\n`),
);

const SPECIAL: Readonly<Record<string, Special>> = { ...CONNECTIONS, ...REFUSALS, ...FORMATS, ...ENDS, ...USAGE, ...READERS };
