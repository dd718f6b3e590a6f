import { DAY_MS, monthWindow } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import { billing } from '@switchyard/proto';
import { invalid, requireId, requireList, requireText } from '../request-checks.js';

/** What every request names at most once, so that the groups of any of them add up to the whole. */
const SPEND_DIMENSIONS = ['key', 'workspace', 'model', 'provider', 'app', 'user', 'session', 'cost_centre'] as const;
export type NamedDimension = (typeof SPEND_DIMENSIONS)[number];

/** A dimension of its own name, or one pair of the requests' metadata: `tag:<name>`. */
export type SpendDimension = { readonly kind: NamedDimension } | { readonly kind: 'tag'; readonly name: string };

export type SpendGranularity = 'whole' | 'day' | 'month';

export interface SpendQuery {
  readonly accountId: string;
  /** Half-open, midnights UTC, unix milliseconds of accept time. */
  readonly startMs: number;
  readonly endMs: number;
  readonly granularity: SpendGranularity;
  readonly groupBy: readonly SpendDimension[];
  readonly filters: readonly { readonly dimension: SpendDimension; readonly value: string }[];
  readonly limit: number;
  /** Rows that come after this one. */
  readonly after: SpendPosition | undefined;
}

/** Where a row stands: rows are ordered by period, then by group. */
export interface SpendPosition {
  readonly periodStartMs: number;
  readonly group: readonly string[];
}

const DEFAULT_SPEND_ROWS = 1_000;
const MAX_SPEND_ROWS = 10_000;
const MAX_DAYS = 800;
const MAX_DIMENSIONS = 6;
const MAX_FILTERS = 10;
const MAX_TAG_LENGTH = 256;
const MAX_VALUE_LENGTH = 4_096;
const MAX_CURSOR_LENGTH = 65_536;

const GRANULARITIES: Readonly<Partial<Record<billing.SpendGranularity, SpendGranularity>>> = {
  [billing.SpendGranularity.UNSPECIFIED]: 'whole',
  [billing.SpendGranularity.DAY]: 'day',
  [billing.SpendGranularity.MONTH]: 'month',
};

/** @throws SwitchyardError `invalid_request` */
export function parseSpendQuery(request: billing.ListSpendRequest): SpendQuery {
  const granularity = GRANULARITIES[request.granularity];
  if (granularity === undefined) throw invalid('granularity is unknown.');
  const groupBy = requireList(request.groupBy, 'group_by', MAX_DIMENSIONS).map((text) => parseDimension(text, 'group_by'));
  if (new Set(request.groupBy).size < groupBy.length) throw invalid('group_by names a dimension twice.');
  if (request.limit < 0 || request.limit > MAX_SPEND_ROWS) throw invalid(`limit must be within 1 and ${MAX_SPEND_ROWS}.`);
  return {
    accountId: requireId(request.accountId, 'account_id'),
    ...parseTime(request),
    granularity,
    groupBy,
    filters: requireList(request.filters, 'filters', MAX_FILTERS).map(({ dimension, value }) => ({
      dimension: parseDimension(dimension, 'filters'),
      value: requireText(value, 'filters', MAX_VALUE_LENGTH),
    })),
    limit: request.limit === 0 ? DEFAULT_SPEND_ROWS : request.limit,
    after: request.cursor === '' ? undefined : decodePosition(request.cursor, groupBy.length),
  };
}

/** The whole of a period, cut to what was asked for. */
export function periodOf(query: Pick<SpendQuery, 'startMs' | 'endMs' | 'granularity'>, periodStartMs: number): { startMs: number; endMs: number } {
  const { startMs, endMs, granularity } = query;
  if (granularity === 'whole') return { startMs, endMs };
  const periodEndMs = granularity === 'day' ? periodStartMs + DAY_MS : monthWindow(periodStartMs).endMs!;
  return { startMs: Math.max(startMs, periodStartMs), endMs: Math.min(endMs, periodEndMs) };
}

export function encodePosition(position: SpendPosition): string {
  return Buffer.from(JSON.stringify([position.periodStartMs, ...position.group])).toString('base64url');
}

/** @throws SwitchyardError `invalid_request` */
function decodePosition(cursor: string, groupSize: number): SpendPosition {
  const [periodStartMs, ...group] = parsedArray(cursor);
  const isPosition =
    Number.isSafeInteger(periodStartMs) && group.length === groupSize && group.every((value) => typeof value === 'string' && !value.includes('\0'));
  if (!isPosition) throw new SwitchyardError('invalid_request', 'cursor: not a cursor of this query', { metadata: { param: 'cursor' } });
  return { periodStartMs: periodStartMs as number, group: group as string[] };
}

function parsedArray(cursor: string): unknown[] {
  if (cursor.length > MAX_CURSOR_LENGTH) return [];
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function parseDimension(text: string, field: string): SpendDimension {
  const kind = SPEND_DIMENSIONS.find((name) => name === text);
  if (kind) return { kind };
  if (!text.startsWith('tag:')) throw invalid(`${field} names "${text.slice(0, 64)}"; there are ${SPEND_DIMENSIONS.join(', ')} and tag:<name>.`);
  return { kind: 'tag', name: requireText(text.slice('tag:'.length), field, MAX_TAG_LENGTH, 1) };
}

function parseTime(request: Pick<billing.ListSpendRequest, 'startTimeMs' | 'endTimeMs'>): { startMs: number; endMs: number } {
  const [startMs, endMs] = [Number(request.startTimeMs), Number(request.endTimeMs)];
  if (startMs < 0 || startMs % DAY_MS !== 0 || endMs % DAY_MS !== 0) throw invalid('start and end must be midnights UTC.');
  if (endMs <= startMs || endMs - startMs > MAX_DAYS * DAY_MS) throw invalid(`end must be 1 to ${MAX_DAYS} days after start.`);
  return { startMs, endMs };
}
