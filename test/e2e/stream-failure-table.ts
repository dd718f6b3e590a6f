/**
 * Every way in which an answer can fail, and what comes of it. The tests of stream-failures.suite.ts read their
 * expectations here, docs/reference/failures.md is written from here: this file imports nothing that runs.
 */
import type { WireName } from './failing-wires.js';

/** What comes of a failure, for everybody it concerns. */
export type Outcome =
  /** Nothing was shown yet: the next endpoint answers. Without one the client gets the status, after `triesAlone` tries. */
  | { readonly kind: 'replaced'; readonly error: ErrorName; readonly triesAlone: 1 | 2; readonly isCostBooked: boolean }
  /** Content was shown: the stream ends in the typed error. Nothing else is tried. */
  | { readonly kind: 'broken'; readonly error: ErrorName; readonly shown: Shown }
  /** The answer is whole all the same. */
  | { readonly kind: 'completed'; readonly charged: Usage | 'owed' }
  /** The client left a stream. */
  | { readonly kind: 'left'; readonly charged: 'nothing' | 'prompt' | Usage };

/**
 * Whose counts are charged: the provider's, or ours by the size of what was sent, which is flagged. `owed`: the
 * provider's, beyond all that the account has.
 */
export type Usage = 'reported' | 'estimated';
export type Shown = 'first piece' | 'everything';

/** Error types that a provider's failure becomes, and their status. */
export const ERROR_STATUS = { provider_unavailable: 502, provider_overloaded: 503, rate_limit_exceeded: 429, timeout: 504, unmapped: 500 } as const;
export type ErrorName = keyof typeof ERROR_STATUS;

export interface Cell {
  readonly wire: WireName;
  readonly isStreamed: boolean;
  readonly fault: string;
  /** `''` where the fault names its own moment. */
  readonly point: string;
  readonly outcome: Outcome;
}

export const FAULTS = ['cut', 'stall', 'garbage', 'error frame', 'huge line'] as const;
export type Fault = (typeof FAULTS)[number];

export const POINTS = [
  'before the headers',
  'after the headers',
  'before the first content',
  'in mid-chunk',
  'between chunks',
  'after the finish reason',
  'before the terminator',
] as const;
export type Point = (typeof POINTS)[number];

export const CLIENT_LEAVES = 'the client leaves';
export const STOPS_FOR_A_WHILE = 'the client stops reading for longer than every silence allowed, then goes on';
export const STOPS_FOR_GOOD = 'the client stops reading until the time is over';
export const FAR_TOO_MUCH = 'usage of more tokens than there are';

const replaced = (error: ErrorName, isCostBooked = false): Outcome => ({
  kind: 'replaced',
  error,
  // A timeout used the client's patience up, a 429 says when to come back, and what nobody understands is not tried again.
  triesAlone: error === 'provider_unavailable' || error === 'provider_overloaded' ? 2 : 1,
  isCostBooked,
});
const broken = (error: ErrorName, shown: Shown = 'first piece'): Outcome => ({ kind: 'broken', error, shown });
const completed = (charged: Usage | 'owed'): Outcome => ({ kind: 'completed', charged });
const left = (charged: 'nothing' | 'prompt' | Usage): Outcome => ({ kind: 'left', charged });

/** A provider that fails at one point of a stream. */
function streamedOutcome(wire: WireName, fault: Fault, point: Point): Outcome {
  const error = fault === 'stall' ? 'timeout' : 'provider_unavailable';
  switch (point) {
    case 'before the headers':
    case 'after the headers':
      return replaced(error);
    case 'before the first content':
      // These two report the prompt's tokens before they say anything.
      return replaced(error, wire !== 'openai');
    case 'in mid-chunk':
    case 'between chunks':
      return broken(error);
    case 'after the finish reason':
      return fault === 'error frame' ? broken(error, 'everything') : completed('estimated');
    case 'before the terminator':
      return fault === 'error frame' ? broken(error, 'everything') : completed('reported');
  }
}

/** A whole answer is held back until its last byte: whatever goes wrong, nothing was shown. */
function wholeOutcome(fault: Fault, point: Point): Outcome {
  // What came of the body was written for us, unless it was nothing or an error that can be read.
  const hasBody = point !== 'before the headers' && (point !== 'after the headers' || fault === 'garbage' || fault === 'huge line');
  return replaced(fault === 'stall' ? 'timeout' : 'provider_unavailable', hasBody);
}

function matrix(wire: WireName, faults: readonly Fault[]): Cell[] {
  const cells: Cell[] = [];
  for (const fault of faults) {
    for (const point of POINTS) {
      cells.push({ wire, isStreamed: true, fault, point, outcome: streamedOutcome(wire, fault, point) });
      if (point !== 'before the first content') cells.push({ wire, isStreamed: false, fault, point, outcome: wholeOutcome(fault, point) });
    }
  }
  return cells;
}

const LEAVING: Readonly<Record<Point, Outcome>> = {
  'before the headers': left('nothing'),
  'after the headers': left('prompt'),
  'before the first content': left('prompt'),
  'in mid-chunk': left('estimated'),
  'between chunks': left('estimated'),
  'after the finish reason': left('estimated'),
  'before the terminator': left('reported'),
};

function leavingClients(): Cell[] {
  return POINTS.flatMap((point) => {
    const streamed: Cell = { wire: 'openai', isStreamed: true, fault: CLIENT_LEAVES, point, outcome: LEAVING[point] };
    if (point === 'before the first content') return [streamed];
    return [streamed, { wire: 'openai', isStreamed: false, fault: CLIENT_LEAVES, point, outcome: completed('reported') }];
  });
}

const streamed = (fault: string, outcome: Outcome, wire: WireName = 'openai'): Cell => ({ wire, isStreamed: true, fault, point: '', outcome });
const whole = (fault: string, outcome: Outcome, wire: WireName = 'openai'): Cell => ({ wire, isStreamed: false, fault, point: '', outcome });
const both = (fault: string, outcome: Outcome, wire: WireName = 'openai'): Cell[] => [streamed(fault, outcome, wire), whole(fault, outcome, wire)];

const UNAVAILABLE = replaced('provider_unavailable');
const UNAVAILABLE_BUT_BILLED = replaced('provider_unavailable', true);

const CONNECTIONS: readonly Cell[] = [
  ...both('a refused connection', UNAVAILABLE),
  ...both('a host name that does not resolve', UNAVAILABLE),
  ...both('no TLS where TLS is asked for', UNAVAILABLE),
  ...both('a reset connection, before the headers', UNAVAILABLE),
  streamed('a reset connection, between chunks', broken('provider_unavailable')),
  streamed('a reset connection, before the terminator', completed('reported')),
  streamed('a cut of a body without a length', UNAVAILABLE),
  whole('a cut of a body without a length', UNAVAILABLE_BUT_BILLED),
  streamed('a cut of a body without a length, between chunks', broken('provider_unavailable')),
  streamed('a body without a length that ends after the finish reason', completed('estimated')),
  whole('less than the announced length', UNAVAILABLE_BUT_BILLED),
  streamed('bytes that are no HTTP chunk, between chunks', broken('provider_unavailable')),
  streamed('bytes that are no HTTP chunk, after the finish reason', completed('estimated')),
  ...both('headers of one byte every 20 ms', replaced('timeout')),
  streamed('an event of one byte every 20 ms, before the first content', replaced('timeout')),
  streamed('an event of one byte every 20 ms, after the first content', broken('timeout')),
  whole('a body of one byte every 20 ms', replaced('timeout', true)),
];

const REFUSALS: readonly Cell[] = [
  ...both('status 500', UNAVAILABLE),
  ...both('status 503', replaced('provider_overloaded')),
  ...both('status 429 without Retry-After', replaced('rate_limit_exceeded')),
  ...both('status 302', replaced('unmapped')),
  ...both('status 200 with an error body', UNAVAILABLE),
  ...both('status 200 with an error body', UNAVAILABLE, 'anthropic'),
  ...both('status 200 with an error body', UNAVAILABLE, 'gemini'),
];

const FORMATS: readonly Cell[] = [
  ...both('content type text/html', UNAVAILABLE),
  streamed('a whole answer where a stream was asked for', UNAVAILABLE),
  whole('a stream where a whole answer was asked for', UNAVAILABLE),
  ...both('no content type', completed('reported')),
  ...both('an empty body', UNAVAILABLE),
  ...both('gzip that nobody asked for', completed('reported')),
  ...both('gzip that is cut', UNAVAILABLE),
  ...both('gzip that is none', UNAVAILABLE),
  ...both('a content encoding that nobody knows', UNAVAILABLE),
  whole('gzip that unfolds beyond the bound', UNAVAILABLE_BUT_BILLED),
  streamed('a line of 1 MiB', completed('reported')),
  whole('an answer just under the bound', completed('reported')),
];

const ENDS: readonly Cell[] = [
  streamed('the terminator twice', completed('reported')),
  streamed('the terminator twice', completed('reported'), 'anthropic'),
  streamed('content after the terminator', completed('reported')),
  streamed('garbage after the terminator', completed('reported')),
  streamed('an error frame after the terminator', completed('reported')),
  streamed('a terminator without a finish reason', completed('reported')),
  streamed('no terminator', completed('reported')),
  streamed('a finish reason and no usage', completed('estimated')),
  streamed('a finish reason and no usage', completed('estimated'), 'anthropic'),
  streamed('a finish reason and no usage', completed('estimated'), 'gemini'),
];

const USAGE: readonly Cell[] = [
  ...both('usage missing', completed('estimated')),
  ...both('usage missing', completed('estimated'), 'gemini'),
  ...both('usage null', completed('estimated')),
  ...both('negative usage', completed('estimated')),
  ...both('negative usage', completed('estimated'), 'anthropic'),
  ...both('negative usage', completed('estimated'), 'gemini'),
  ...both('usage of text', completed('estimated')),
  ...both('usage of zero tokens for an answer', completed('estimated')),
  ...both(FAR_TOO_MUCH, completed('owed')),
  ...both('fractions of tokens', completed('reported')),
  ...both('a total that is not the sum', completed('reported')),
  ...both('details beyond their total', completed('reported')),
];

const READERS: readonly Cell[] = [streamed(STOPS_FOR_A_WHILE, completed('reported')), streamed(STOPS_FOR_GOOD, left('estimated'))];

export const CELLS: readonly Cell[] = [
  ...matrix('openai', FAULTS),
  ...matrix('anthropic', ['cut', 'error frame']),
  ...matrix('gemini', ['cut', 'error frame']),
  ...CONNECTIONS,
  ...REFUSALS,
  ...FORMATS,
  ...ENDS,
  ...USAGE,
  ...leavingClients(),
  ...READERS,
];

/** The label `outcome` of `switchyard_attempts_total`. */
export function metricLabel(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'replaced':
    case 'broken':
      return outcome.error;
    case 'completed':
      return 'completed';
    case 'left':
      return 'client_gone';
  }
}

/** Unique among the cells; also the name of the cell's model. */
export function cellId({ wire, isStreamed, fault, point }: Cell): string {
  return [wire, isStreamed ? 'streamed' : 'whole', fault, point]
    .join(' ')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '');
}
