import { FORMATS, reserve, scratch, takeScratch, writeAgain, writeCount, writeMissing, type BinaryElementType } from './binary-format.js';

export interface BinaryColumn<Source> {
  readonly type: BinaryElementType;
  valueOf(source: Source): unknown;
}

/** `PGCOPY`, a line end that no transfer leaves as it is, and no flags nor extension. */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const COUNT_BYTES = 2;
/** In place of a row's number of columns. */
const END = -1;

/** Rows as `COPY … FROM STDIN (FORMAT binary)` takes them; values are as for `binaryArray`, and throw as there. */
export function binaryRows<Source>(columns: readonly BinaryColumn<Source>[], sources: readonly Source[]): Buffer {
  const writers = columns.map(({ type, valueOf }) => ({ write: FORMATS[type].write, valueOf, value: undefined as unknown, start: 0, end: 0 }));
  let at = SIGNATURE.copy(scratch);
  for (const source of sources) {
    reserve(at, COUNT_BYTES);
    at = writeCount(writers.length, at);
    for (const writer of writers) {
      const value = writer.valueOf(source);
      const start = at;
      // Columns of one account, one model, one transaction: much is as in the row before.
      if (typeof value === 'string' && value === writer.value) at = writeAgain(writer.start, writer.end, at);
      else at = value === null || value === undefined ? writeMissing(at) : writer.write(value, at);
      writer.value = value;
      writer.start = start;
      writer.end = at;
    }
  }
  reserve(at, COUNT_BYTES);
  return takeScratch(writeCount(END, at));
}
