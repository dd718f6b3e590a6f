import { csvText, listOf, timeOf, type PublicSpend, type PublicSpendRow, type SpendQueryParameters } from '@switchyard/api';
import { picoToUsd } from '@switchyard/core';
import { billing } from '@switchyard/proto';
import { isoTime } from './public-values.js';

const GRANULARITIES: Readonly<Record<NonNullable<SpendQueryParameters['granularity']>, billing.SpendGranularity>> = {
  day: billing.SpendGranularity.DAY,
  month: billing.SpendGranularity.MONTH,
  whole: billing.SpendGranularity.UNSPECIFIED,
};

/** Parameters that filter by the dimension of their own name. */
const FILTERS = ['key', 'workspace', 'model', 'provider', 'app', 'user', 'session', 'cost_centre'] as const;

export function spendRequest(query: SpendQueryParameters, accountId: string): billing.ListSpendRequest {
  return {
    accountId,
    startTimeMs: BigInt(timeOf(query.start) ?? 0),
    endTimeMs: BigInt(timeOf(query.end) ?? 0),
    granularity: GRANULARITIES[query.granularity ?? 'day'],
    groupBy: listOf(query.group_by),
    filters: [
      ...FILTERS.flatMap((dimension) => (query[dimension] === undefined ? [] : [{ dimension, value: query[dimension] }])),
      ...(query.tag ?? []).map(tagFilter),
    ],
    limit: query.limit ?? 0,
    cursor: query.cursor ?? '',
  };
}

/** Names hold no colon; values may. */
function tagFilter(tag: string): billing.SpendFilter {
  const colon = tag.indexOf(':');
  return { dimension: `tag:${tag.slice(0, colon)}`, value: tag.slice(colon + 1) };
}

export function publicSpend(request: billing.ListSpendRequest, response: billing.ListSpendResponse): PublicSpend {
  const keys = new Map(response.keys.map((key) => [key.hash, key]));
  return {
    data: response.rows.map((row) => publicRow(request, row, keys)),
    total: publicSums(response.total),
    next_cursor: response.nextCursor || null,
  };
}

/** One column for each dimension, in the order in which they were asked for. */
export function spendCsv(request: billing.ListSpendRequest, spend: PublicSpend): string {
  const isByKey = request.groupBy.includes('key');
  const header = [...HEAD_COLUMNS, ...request.groupBy, ...(isByKey ? ['key_name', 'key_label'] : []), ...SUM_COLUMNS];
  return csvText(
    header,
    spend.data.map((row) => [
      ...HEAD_COLUMNS.map((name) => row[name]),
      ...request.groupBy.map((dimension) => row.group[dimension] ?? null),
      ...(isByKey ? [row.key_name ?? null, row.key_label ?? null] : []),
      ...SUM_COLUMNS.map((name) => row[name]),
    ]),
  );
}

const HEAD_COLUMNS = [
  'charge_period_start',
  'charge_period_end',
  'billing_account_id',
  'billing_currency',
] as const satisfies readonly (keyof PublicSpendRow)[];
const SUM_COLUMNS = [
  'requests',
  'prompt_tokens',
  'completion_tokens',
  'reasoning_tokens',
  'cached_tokens',
  'charge_usd',
  'charge_pico',
] as const satisfies readonly (keyof PublicSpendRow)[];

function publicRow(request: billing.ListSpendRequest, row: billing.SpendRow, keys: ReadonlyMap<string, billing.SpendKey>): PublicSpendRow {
  const keyPosition = request.groupBy.indexOf('key');
  const key = keyPosition < 0 ? undefined : keys.get(row.group[keyPosition] ?? '');
  return {
    charge_period_start: isoTime(row.periodStartMs),
    charge_period_end: isoTime(row.periodEndMs),
    billing_account_id: request.accountId,
    billing_currency: 'USD',
    group: Object.fromEntries(request.groupBy.map((dimension, index) => [dimension, row.group[index] || null])),
    ...(key ? { key_name: key.name, key_label: key.label } : {}),
    ...publicSums(row.sums),
  };
}

function publicSums(sums: billing.SpendSums = billing.SpendSums.create()): PublicSpend['total'] {
  return {
    requests: Number(sums.requestCount),
    prompt_tokens: Number(sums.promptTokenCount),
    completion_tokens: Number(sums.completionTokenCount),
    reasoning_tokens: Number(sums.reasoningTokenCount),
    cached_tokens: Number(sums.cachedTokenCount),
    charge_usd: picoToUsd(sums.chargePico),
    charge_pico: sums.chargePico.toString(),
  };
}
