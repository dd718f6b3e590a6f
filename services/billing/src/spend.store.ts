import { COMPLETION_METERS, PROMPT_METERS } from '@switchyard/core';
import { allowStatementTime, type Queryable } from '@switchyard/db';
import { firstEventIdOf } from './ledger-partition.store.js';
import type { NamedDimension, SpendDimension, SpendGranularity, SpendPosition, SpendQuery } from './core/spend-query.js';

/** Amounts and counts of a group of charges. */
export interface SpendSums {
  readonly chargePico: bigint;
  readonly requestCount: bigint;
  readonly promptTokenCount: bigint;
  readonly completionTokenCount: bigint;
  readonly reasoningTokenCount: bigint;
  readonly cachedTokenCount: bigint;
}

export interface SpendGroup extends SpendPosition {
  readonly sums: SpendSums;
}

export interface SpendPage {
  /** At most as many as asked for. */
  readonly groups: readonly SpendGroup[];
  readonly hasMore: boolean;
  /** Of all pages. */
  readonly total: SpendSums;
}

/** Long enough for a month of many millions of requests. */
const SPEND_TIMEOUT_MS = 110_000;

/** What an event says of a request, by the names of proto3's JSON; fields at their default are absent there. */
const FACTS = `model text, "modelRequested" text, "providerSlug" text, "httpReferer" text, "appTitle" text, "user" text, "sessionId" text, "costCentre" text, metadata jsonb, usage jsonb`;

const COUNTED = [...PROMPT_METERS, ...COMPLETION_METERS].map((meter) => `${meter} bigint`).join(', ');

const EXPRESSION_OF: Readonly<Record<NamedDimension, string>> = {
  key: 'charge.key_hash',
  workspace: 'charge.workspace_id',
  model: `coalesce(nullif(fact.model, ''), fact."modelRequested", '')`,
  provider: `coalesce(fact."providerSlug", '')`,
  app: `coalesce(nullif(fact."httpReferer", ''), fact."appTitle", '')`,
  user: `coalesce(fact."user", '')`,
  session: `coalesce(fact."sessionId", '')`,
  cost_centre: `coalesce(fact."costCentre", '')`,
};

const PERIOD_OF: Readonly<Record<SpendGranularity, string>> = {
  whole: '$2::bigint',
  day: 'charge.accept_time_ms - charge.accept_time_ms % 86400000',
  month: `(extract(epoch FROM date_trunc('month', to_timestamp(charge.accept_time_ms / 1000) AT TIME ZONE 'UTC')) * 1000)::bigint`,
};

const sumOf = (meters: readonly string[]): string => `coalesce(sum(${meters.map((meter) => `coalesce(counted.${meter}, 0)`).join(' + ')}), 0)`;

/** Column → how it is summed over a group's requests. */
const SUMS = {
  charge_pico: 'sum(charge.charge_pico)',
  request_count: 'count(*)',
  prompt_token_count: sumOf(PROMPT_METERS),
  completion_token_count: sumOf(COMPLETION_METERS),
  reasoning_token_count: sumOf(['reasoning']),
  cached_token_count: sumOf(['cache_read', 'cache_read_audio']),
} as const;

const SUMMED = Object.keys(SUMS) as (keyof typeof SUMS)[];

type RawSums = Readonly<Record<keyof typeof SUMS, string | bigint | null>>;

/**
 * Charges grouped and summed, one page of it. The amounts are those that were posted; what they are grouped by is what their events say. The whole is grouped
 * for each page, within the database.
 */
export async function readSpend(client: Queryable, query: SpendQuery): Promise<SpendPage> {
  const { text, values } = spendStatement(query);
  await allowStatementTime(client, SPEND_TIMEOUT_MS);
  const { rows } = await client.query<Record<string, string | bigint>>({ text, values });
  const [total, ...groups] = rows;
  return {
    groups: groups.slice(0, query.limit).map((row) => ({
      periodStartMs: Number(row['period']),
      group: query.groupBy.map((_, index) => String(row[`group_${index}`])),
      sums: toSums(row as unknown as RawSums),
    })),
    hasMore: groups.length > query.limit,
    total: toSums(total as unknown as RawSums),
  };
}

/** The first row is the total of all pages. */
function spendStatement(query: SpendQuery): { text: string; values: unknown[] } {
  const values: unknown[] = [query.accountId, query.startMs, query.endMs];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const expressionOf = (dimension: SpendDimension): string =>
    dimension.kind === 'tag' ? `coalesce(fact.metadata ->> ${parameter(dimension.name)}::text, '')` : EXPRESSION_OF[dimension.kind];
  const names = query.groupBy.map((_, index) => `group_${index}`);
  const grouped = query.groupBy.map((dimension, index) => `${expressionOf(dimension)} COLLATE "C" AS group_${index}`);
  const filters = query.filters.map(({ dimension, value }) => ` AND ${expressionOf(dimension)} = ${parameter(value)}::text`);
  const position = ['period', ...names].join(', ');
  const afterLast = query.after ? `WHERE (${position}) > (${positionValues(query.after, parameter)})` : '';
  return {
    text: `
      WITH spend AS MATERIALIZED (
        SELECT ${[`${PERIOD_OF[query.granularity]} AS period`, ...grouped, ...SUMMED.map((name) => `${SUMS[name]} AS ${name}`)].join(', ')}
          FROM charges charge LEFT JOIN usage_events event ON event.event_id = charge.event_id AND event.event_id >= ${firstEventIdOf('$2')}
          LEFT JOIN LATERAL jsonb_to_record(coalesce(event.document, event.body::jsonb)) AS fact (${FACTS}) ON true
          LEFT JOIN LATERAL jsonb_to_record(fact.usage -> 'meters') AS counted (${COUNTED}) ON true
         WHERE charge.account_id = $1 AND charge.accept_time_ms >= $2 AND charge.accept_time_ms < $3${filters.join('')}
         GROUP BY ${['period', ...names].map((_, index) => index + 1).join(', ')})
      (SELECT true AS is_total, ${['NULL::bigint AS period', ...names.map((name) => `NULL::text COLLATE "C" AS ${name}`), ...SUMMED.map((name) => `sum(${name}) AS ${name}`)].join(', ')} FROM spend)
      UNION ALL
      (SELECT false, ${[position, ...SUMMED].join(', ')} FROM spend ${afterLast} ORDER BY ${position} LIMIT ${query.limit + 1})
      ORDER BY is_total DESC, ${position}`,
    values,
  };
}

function positionValues(after: SpendPosition, parameter: (value: unknown) => string): string {
  return [`${parameter(after.periodStartMs)}::bigint`, ...after.group.map((value) => `${parameter(value)}::text COLLATE "C"`)].join(', ');
}

function toSums(row: RawSums): SpendSums {
  const read = (name: keyof typeof SUMS): bigint => BigInt(row[name] ?? 0);
  return {
    chargePico: read('charge_pico'),
    requestCount: read('request_count'),
    promptTokenCount: read('prompt_token_count'),
    completionTokenCount: read('completion_token_count'),
    reasoningTokenCount: read('reasoning_token_count'),
    cachedTokenCount: read('cached_token_count'),
  };
}
