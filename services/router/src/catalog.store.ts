import type { PriceScheduleRecord } from '@switchyard/core';
import { batchInsert, withTransaction } from '@switchyard/db';
import type { DatedPriceScheduleRecord, EndpointRecord, ModelRecord } from '@switchyard/routing';
import type { Pool, PoolClient } from 'pg';
import type { Catalog } from './core/catalog.js';
import { pricesToRecord, schedulesForTable, type PriceSide, type RecordedPrice } from './core/price-history.js';

/** Replicas that import at the same time take turns; the second then finds nothing new. */
const IMPORT_LOCK = 'switchyard catalogue import';

const insertModels = batchInsert({
  table: 'model',
  columns: { slug: 'text', record: 'jsonb' },
  suffix: 'ON CONFLICT (slug) DO UPDATE SET record = excluded.record, updated_at = now() WHERE model.record IS DISTINCT FROM excluded.record',
});

const insertEndpoints = batchInsert({
  table: 'endpoint',
  columns: { endpoint_id: 'text', model_slug: 'text', record: 'jsonb' },
  suffix:
    'ON CONFLICT (endpoint_id) DO UPDATE SET model_slug = excluded.model_slug, record = excluded.record, updated_at = now() WHERE endpoint.record IS DISTINCT FROM excluded.record',
});

const insertPrices = batchInsert({
  table: 'price',
  columns: { revision: 'text', endpoint_id: 'text', side: 'text', start_time_ms: 'bigint', schedule: 'jsonb', source: 'text' },
  suffix: 'ON CONFLICT (revision) DO NOTHING',
});

interface PriceRow {
  readonly endpoint_id: string;
  readonly side: PriceSide;
  readonly start_time_ms: bigint;
  readonly revision: string;
  readonly schedule: unknown;
  readonly source: string;
}

export interface StoredCatalog {
  readonly models: readonly ModelRecord[];
  readonly endpoints: readonly EndpointRecord[];
  /** Prices that this import recorded. */
  readonly newPriceCount: number;
}

/** The catalogue in the router's schema. */
export class CatalogStore {
  constructor(private readonly pool: Pool) {}

  /** Makes the stored catalogue this one, records prices that are new, and answers the catalogue with its dated prices. */
  async save(catalog: Catalog, nowMs: number): Promise<StoredCatalog> {
    return withTransaction(this.pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [IMPORT_LOCK]);
      const recorded = await readPrices(client);
      const additions = newPrices(catalog, recorded, nowMs);
      await insertPrices(client, additions.map(priceRow));
      for (const price of additions) append(recorded, price);
      await insertModels(
        client,
        catalog.models.map((model) => ({ slug: model.slug, record: toJson(model) })),
      );
      await client.query('DELETE FROM model WHERE NOT slug = ANY($1::text[])', [catalog.models.map((model) => model.slug)]);
      const rows = catalog.endpoints.map(({ record }) => ({ endpoint_id: record.endpointId, model_slug: record.modelSlug, record: toJson(record) }));
      await insertEndpoints(client, rows);
      await client.query('DELETE FROM endpoint WHERE NOT endpoint_id = ANY($1::text[])', [rows.map((row) => row.endpoint_id)]);
      const schedules = (endpointId: string, side: PriceSide): DatedPriceScheduleRecord[] =>
        schedulesForTable(recorded.get(`${endpointId}\n${side}`) ?? [], nowMs);
      const endpoints = catalog.endpoints.map(({ record }) => ({
        ...record,
        chargeSchedules: schedules(record.endpointId, 'charge'),
        costSchedules: schedules(record.endpointId, 'cost'),
      }));
      return { models: catalog.models, endpoints, newPriceCount: additions.length };
    });
  }

  /** All prices that an endpoint ever had, oldest first. */
  async priceHistory(endpointId: string, side: PriceSide): Promise<RecordedPrice[]> {
    const { rows } = await this.pool.query<PriceRow>(
      'SELECT endpoint_id, side, start_time_ms, revision, schedule, source FROM price WHERE endpoint_id = $1 AND side = $2 ORDER BY sequence',
      [endpointId, side],
    );
    return rows.map(priceOf);
  }
}

function newPrices(catalog: Catalog, recorded: ReadonlyMap<string, readonly RecordedPrice[]>, nowMs: number): RecordedPrice[] {
  const additions: RecordedPrice[] = [];
  for (const { record, charge, cost, source } of catalog.endpoints) {
    for (const [side, wanted] of [
      ['charge', charge],
      ['cost', cost],
    ] as const) {
      additions.push(...pricesToRecord(record.endpointId, side, source, wanted, recorded.get(`${record.endpointId}\n${side}`) ?? [], nowMs));
    }
  }
  return additions;
}

async function readPrices(client: PoolClient): Promise<Map<string, RecordedPrice[]>> {
  const { rows } = await client.query<PriceRow>('SELECT endpoint_id, side, start_time_ms, revision, schedule, source FROM price ORDER BY sequence');
  const prices = new Map<string, RecordedPrice[]>();
  for (const row of rows) append(prices, priceOf(row));
  return prices;
}

function append(prices: Map<string, RecordedPrice[]>, price: RecordedPrice): void {
  const key = `${price.endpointId}\n${price.side}`;
  const list = prices.get(key);
  if (list) list.push(price);
  else prices.set(key, [price]);
}

function priceRow(price: RecordedPrice): { revision: string; endpoint_id: string; side: string; start_time_ms: number; schedule: string; source: string } {
  return {
    revision: price.revision,
    endpoint_id: price.endpointId,
    side: price.side,
    start_time_ms: price.startTimeMs,
    schedule: toJson(price.schedule),
    source: price.source,
  };
}

function priceOf(row: PriceRow): RecordedPrice {
  const schedule = row.schedule as JsonSchedule;
  return {
    endpointId: row.endpoint_id,
    side: row.side,
    startTimeMs: Number(row.start_time_ms),
    revision: row.revision,
    schedule: {
      revision: row.revision,
      ratesPico: bigintRates(schedule.ratesPico),
      overrides: schedule.overrides.map((override) => ({
        minPromptTokens: override.minPromptTokens === undefined ? undefined : BigInt(override.minPromptTokens),
        utcStart: override.utcStart,
        utcEnd: override.utcEnd,
        utcDays: override.utcDays,
        ratesPico: bigintRates(override.ratesPico),
      })),
      discountMillionths: schedule.discountMillionths,
    } satisfies PriceScheduleRecord,
    source: row.source,
  };
}

/** A schedule as jsonb holds it: bigints are text. */
interface JsonSchedule {
  readonly ratesPico: Readonly<Record<string, string>>;
  readonly overrides: readonly {
    readonly minPromptTokens?: string;
    readonly utcStart?: number;
    readonly utcEnd?: number;
    readonly utcDays: number[];
    readonly ratesPico: Readonly<Record<string, string>>;
  }[];
  readonly discountMillionths: number;
}

function bigintRates(rates: Readonly<Record<string, string>>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(rates).map(([meter, text]) => [meter, BigInt(text)]));
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) => (typeof entry === 'bigint' ? entry.toString() : entry));
}
