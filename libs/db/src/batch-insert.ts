import type { ClientBase, QueryResult, QueryResultRow } from 'pg';
import { binaryArray } from './binary-array.js';
import { isBinaryElementType, type BinaryElementType } from './binary-format.js';

/** Column name → Postgres type of its values, without `[]`: `{ id: 'uuid', amount_pico: 'bigint' }`. JSON columns take text. */
export type ColumnTypes = Readonly<Record<string, string>>;

export interface BatchInsertOptions<Columns extends ColumnTypes> {
  readonly table: string;
  readonly columns: Columns;
  /** What follows the rows: `ON CONFLICT (event_id) DO NOTHING RETURNING event_id`. */
  readonly suffix?: string;
}

export type BatchRow<Columns extends ColumnTypes> = { readonly [Column in keyof Columns]: unknown };

/** Column name → Postgres type of its values, and what a source has for it: `{ id: ['uuid', (order) => order.id] }`. */
export type SourceColumns<Source> = Readonly<Record<string, readonly [type: string, valueOf: (source: Source) => unknown]>>;

export interface SourceInsertOptions<Source, Shared extends string = never> {
  readonly table: string;
  readonly columns: SourceColumns<Source>;
  /** Columns that have one value in all rows of a call, and their types. */
  readonly shared?: Readonly<Record<Shared, string>>;
  readonly suffix?: string;
}

/** The values of the shared columns; nothing where there are none. */
export type SharedValues<Shared extends string> = [Shared] extends [never] ? [] : [shared: Readonly<Record<Shared, unknown>>];

/** Only what both a pool and a client have. */
export type Queryable = Pick<ClientBase, 'query'>;

/**
 * A function that inserts any number of rows with one prepared statement and one round trip: every column travels as one array, so the statement's text
 * (and its plan) is the same for all batch sizes. No rows, no round trip.
 */
export function batchInsert<Columns extends ColumnTypes, Row extends QueryResultRow = QueryResultRow>(
  options: BatchInsertOptions<Columns>,
): (client: Queryable, rows: readonly BatchRow<Columns>[]) => Promise<Row[]> {
  const columns: SourceColumns<BatchRow<Columns>> = Object.fromEntries(
    Object.entries(options.columns).map(([name, type]) => [name, [type, (row) => row[name]]]),
  );
  return sourceInsert<BatchRow<Columns>, Row>({ ...options, columns });
}

/** As `batchInsert`, with the columns taken straight from what is stored, so that no rows have to be made of it first. */
export function sourceInsert<Source, Row extends QueryResultRow = QueryResultRow, Shared extends string = never>(
  options: SourceInsertOptions<Source, Shared>,
): (client: Queryable, sources: readonly Source[], ...shared: SharedValues<Shared>) => Promise<Row[]> {
  const columns = Object.values(options.columns).map(([type, valueOf]) => ({ type, sentAs: sentAs(type), valueOf }));
  // Side by side in the SELECT list, where each row goes straight on; listed in FROM, every column would be stored first and read back.
  const selected = columns.map(({ type, sentAs }, index) => `unnest($${index + 1}::${sentAs}[]${type === sentAs ? '' : `::${type}[]`})`);
  const sharedTypes = Object.entries<string>(options.shared ?? {});
  const sharedSelected = sharedTypes.map(([, type], index) => `$${columns.length + index + 1}::${type}`);
  const names = [...Object.keys(options.columns), ...sharedTypes.map(([name]) => name)];
  const text = `INSERT INTO ${options.table} (${names.join(', ')}) SELECT ${[...selected, ...sharedSelected].join(', ')} ${options.suffix ?? ''}`;
  const name = statementName(text);
  return async (client, sources, ...[shared]) => {
    if (sources.length === 0) return [];
    const arrays = columns.map(({ sentAs, valueOf }) => binaryArray(sentAs, sources.map(valueOf)));
    const values = [...arrays, ...sharedTypes.map(([column]) => shared?.[column as Shared])];
    const result: QueryResult<Row> = await client.query<Row>({ name, text, values });
    return result.rows;
  };
}

/** Types without a binary form here travel as texts. */
function sentAs(type: string): BinaryElementType {
  return isBinaryElementType(type) ? type : 'text';
}

/** Prepared statements are found by name per connection, so equal text must have an equal name. Names are cut at 63 bytes by Postgres. */
function statementName(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let index = 0; index < text.length; index++) hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(index))) * 0x100000001b3n);
  return `batch_insert_${hash.toString(36)}`;
}
