import { FORMATS, lendScratch, reserve, scratch, writeAgain, writeCount, writeLength, writeMissing, type BinaryElementType } from './binary-format.js';

export interface BinaryColumn<Source> {
  readonly type: BinaryElementType;
  valueOf(source: Source): unknown;
}

/** `PGCOPY`, a line end that no transfer leaves as it is, and no flags nor extension. */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const COUNT_BYTES = 2;
/** In place of a row's number of columns. */
const END = -1;

/** The message's kind and its length. */
const COPY_DATA = 'd'.charCodeAt(0);
const MESSAGE_HEADER_BYTES = 5;

/** A message to the server; to be given back to `binary-format` when it was sent. */
export interface LentMessage {
  /** The message is its beginning. */
  readonly bytes: ReturnType<typeof lendScratch>;
  readonly length: number;
}

/** Rows as `COPY … FROM STDIN (FORMAT binary)` takes them, in one message `CopyData`; values are as for `binaryArray`, and throw as there. */
export function rowsMessage<Source>(columns: readonly BinaryColumn<Source>[], sources: readonly Source[]): LentMessage {
  const end = writeRows(columns, sources, MESSAGE_HEADER_BYTES);
  scratch[0] = COPY_DATA;
  // The length counts itself.
  writeLength(end - 1, 1);
  return { bytes: lendScratch(), length: end };
}

/** Returns the place after them. */
function writeRows<Source>(columns: readonly BinaryColumn<Source>[], sources: readonly Source[], start: number): number {
  const writers = columns.map(({ type, valueOf }) => ({ write: FORMATS[type].write, valueOf, text: '', start: 0, end: 0 }));
  reserve(start, SIGNATURE.length);
  let at = start + SIGNATURE.copy(scratch, start);
  for (const source of sources) {
    reserve(at, COUNT_BYTES);
    at = writeCount(writers.length, at);
    for (const writer of writers) {
      const value = writer.valueOf(source);
      if (typeof value === 'string') {
        const valueStart = at;
        // Columns of one account, one model, one transaction: much is as in the row before.
        at = value === writer.text && writer.end > 0 ? writeAgain(writer.start, writer.end, at) : writer.write(value, at);
        writer.text = value;
        writer.start = valueStart;
        writer.end = at;
      } else at = value === null || value === undefined ? writeMissing(at) : writer.write(value, at);
    }
  }
  reserve(at, COUNT_BYTES);
  return writeCount(END, at);
}
