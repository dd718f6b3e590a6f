import pg from 'pg';
import type { SharedValues, SourceColumns } from './batch-insert.js';
import { giveBack, isBinaryElementType } from './binary-format.js';
import { rowsMessage, type BinaryColumn, type LentMessage } from './binary-rows.js';

export interface SourceCopyOptions<Source, Shared extends string = never> {
  readonly table: string;
  /** The types are those of the table's columns, for nothing is converted. */
  readonly columns: SourceColumns<Source>;
  /** Columns that have one value in all rows of a call, and their types. */
  readonly shared?: Readonly<Record<Shared, string>>;
}

/**
 * As `sourceInsert`, with COPY: the cheapest way into a table for rows that nothing has to be known of afterwards. What fails fails as for an insert.
 * @throws TypeError for a type without a binary form
 */
export function sourceCopy<Source, Shared extends string = never>(
  options: SourceCopyOptions<Source, Shared>,
): (client: pg.ClientBase, sources: readonly Source[], ...shared: SharedValues<Shared>) => Promise<void> {
  const columns = Object.values(options.columns).map(([type, valueOf]): BinaryColumn<Source> => ({ type: binaryType(type), valueOf }));
  const sharedTypes = Object.entries<string>(options.shared ?? {}).map(([column, type]) => ({ column: column as Shared, type: binaryType(type) }));
  const names = [...Object.keys(options.columns), ...sharedTypes.map(({ column }) => column)];
  const text = `COPY ${options.table} (${names.join(', ')}) FROM STDIN (FORMAT binary)`;
  return async (client, sources, ...[shared]) => {
    if (sources.length === 0) return;
    const sharedColumns = sharedTypes.map(({ column, type }): BinaryColumn<Source> => ({ type, valueOf: () => shared?.[column] }));
    await copyIn(client, text, rowsMessage([...columns, ...sharedColumns], sources));
  };
}

function binaryType(type: string): BinaryColumn<unknown>['type'] {
  if (!isBinaryElementType(type)) throw new TypeError(`No binary form of ${type} is known.`);
  return type;
}

/** Not by way of a pool: the driver itself calls back. */
function copyIn(client: pg.ClientBase, text: string, rows: LentMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(
      new CopyIn(text, rows, (error) => {
        if (error === null) resolve();
        else reject(error);
      }),
    );
  });
}

/** What the driver's connection can do besides what its types tell. */
interface CopyConnection extends pg.Connection {
  endCopyFrom(): void;
}

/** The driver's types hide that a query has a method which sends it. */
const SentQuery = pg.Query as unknown as new (text: string) => { submit(connection: pg.Connection): Error | null };

/** Its fields have other names than the driver's own: `rows`, for one, would ask for another protocol, and the copy would wait for ever. */
class CopyIn extends SentQuery {
  constructor(
    text: string,
    private readonly copied: LentMessage,
    /** Called by the driver. */
    readonly callback: (error: Error | null) => void,
  ) {
    super(text);
  }

  /** Called by the driver. The rows follow at once, without waiting until the server asks for them: a server that refuses the copy passes over them. */
  override submit(connection: pg.Connection): Error | null {
    const problem = super.submit(connection);
    const { stream } = connection;
    const { bytes, length } = this.copied;
    if (stream.writable) {
      // What failed may be on its way for a while still.
      stream.write(bytes.subarray(0, length), (error) => {
        if (!error) giveBack(bytes);
      });
    }
    (connection as CopyConnection).endCopyFrom();
    return problem;
  }

  /** Called by the driver when the server waits for the rows, which are on their way. */
  handleCopyInResponse(): void {}
}
