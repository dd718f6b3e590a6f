import { FORMATS, scratch, takeScratch, writeAgain, writeMissing, type BinaryElementType } from './binary-format.js';

const HEADER_BYTES = 20;
/** An empty array has no dimension. */
const EMPTY_ARRAY_BYTES = 12;

/**
 * A one-dimensional array as the parameter `$1::<type>[]` takes it: the driver sends buffers as they are, so that nothing is quoted, escaped or parsed on
 * either side. `null` and `undefined` are NULL. Integers are numbers or bigints, and so are numerics, which are whole; times are dates, UUIDs have their 36
 * characters, or 32 without dashes. What is no string becomes one for a text, and is serialized for JSON, where a string is taken as JSON already.
 *
 * @throws TypeError for a value of another kind, RangeError for a number that the type does not hold
 */
export function binaryArray(elementType: BinaryElementType, values: readonly unknown[]): Buffer {
  const { typeId, write } = FORMATS[elementType];
  let hasMissing = 0;
  let at = HEADER_BYTES;
  let previous: unknown;
  let previousAt = at;
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    // Columns of one account, one model, one transaction: much is as in the row before.
    if (typeof value === 'string' && value === previous) {
      const end = at;
      at = writeAgain(previousAt, end, at);
      previousAt = end;
      continue;
    }
    previous = value;
    previousAt = at;
    if (value === null || value === undefined) {
      hasMissing = 1;
      at = writeMissing(at);
    } else at = write(value, at);
  }
  writeHeader(values.length, hasMissing, typeId);
  return takeScratch(values.length === 0 ? EMPTY_ARRAY_BYTES : at);
}

function writeHeader(length: number, hasMissing: number, typeId: number): void {
  scratch.writeInt32BE(length === 0 ? 0 : 1, 0);
  scratch.writeInt32BE(hasMissing, 4);
  scratch.writeInt32BE(typeId, 8);
  scratch.writeInt32BE(length, 12);
  // The first element's number.
  scratch.writeInt32BE(1, 16);
}
