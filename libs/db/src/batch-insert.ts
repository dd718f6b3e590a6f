import type { ClientBase, QueryResult, QueryResultRow } from 'pg';
import { binaryArray, isBinaryElementType } from './binary-array.js';

/** Column name → Postgres type of its values, without `[]`: `{ id: 'uuid', amount_pico: 'bigint' }`. JSON columns take text. */
export type ColumnTypes = Readonly<Record<string, string>>;

export interface BatchInsertOptions<Columns extends ColumnTypes> {
  readonly table: string;
  readonly columns: Columns;
  /** What follows the rows: `ON CONFLICT (event_id) DO NOTHING RETURNING event_id`. */
  readonly suffix?: string;
}

export type BatchRow<Columns extends ColumnTypes> = { readonly [Column in keyof Columns]: unknown };

/** Only what both a pool and a client have. */
export type Queryable = Pick<ClientBase, 'query'>;

/**
 * A function that inserts any number of rows with one prepared statement and one round trip: every column travels as one array, so the statement's text
 * (and its plan) is the same for all batch sizes. No rows, no round trip.
 */
export function batchInsert<Columns extends ColumnTypes, Row extends QueryResultRow = QueryResultRow>(
  options: BatchInsertOptions<Columns>,
): (client: Queryable, rows: readonly BatchRow<Columns>[]) => Promise<Row[]> {
  const names = Object.keys(options.columns);
  const types = names.map((name) => options.columns[name] ?? '');
  const parameters = types.map((type, index) => (isBinaryElementType(type) ? `$${index + 1}::${type}[]` : `$${index + 1}::text[]::${type}[]`)).join(', ');
  const text = `INSERT INTO ${options.table} (${names.join(', ')}) SELECT * FROM unnest(${parameters}) ${options.suffix ?? ''}`;
  const name = statementName(text);
  return async (client, rows) => {
    if (rows.length === 0) return [];
    const values = names.map((name, index) => columnArray(types[index]!, rows, name));
    const result: QueryResult<Row> = await client.query<Row>({ name, text, values });
    return result.rows;
  };
}

/** Types without a binary form here travel as texts. */
function columnArray(type: string, rows: readonly Readonly<Record<string, unknown>>[], name: string): Buffer {
  return binaryArray(
    isBinaryElementType(type) ? type : 'text',
    rows.map((row) => row[name]),
  );
}

/** Prepared statements are found by name per connection, so equal text must have an equal name. Names are cut at 63 bytes by Postgres. */
function statementName(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let index = 0; index < text.length; index++) hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(index))) * 0x100000001b3n);
  return `batch_insert_${hash.toString(36)}`;
}
