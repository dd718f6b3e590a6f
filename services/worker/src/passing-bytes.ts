const MAX_BYTES_PER_CODE_UNIT = 3;
/** Shorter texts go into Node's shared pool, which is quicker. */
const MIN_OWN_BYTES = 2 * 1024;
/** For texts that are handed on at once, of all attempts. */
const passing = Buffer.allocUnsafeSlow(MAX_BYTES_PER_CODE_UNIT * 64 * 1024);

/** The text in memory that the next one is written into: for whoever takes its bytes before anything else happens. */
export function passingBytes(text: string): Buffer {
  if (text.length * MAX_BYTES_PER_CODE_UNIT > passing.byteLength) return ownBytes(text);
  return passing.subarray(0, passing.write(text));
}

/** The text in memory of its own: in that of Node's shared pool, whatever waits keeps many times its size. */
export function ownBytes(text: string, pooledBelow = MIN_OWN_BYTES): Buffer {
  if (text.length < pooledBelow) return Buffer.from(text);
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}
