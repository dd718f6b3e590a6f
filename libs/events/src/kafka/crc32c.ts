const POLYNOMIAL = 0x82f63b78;
const TABLES = buildTables();

/** The checksum of Kafka's record batches (CRC-32C, Castagnoli), as an unsigned 32-bit number; four bytes at a time. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  const [table0, table1, table2, table3] = TABLES;
  let crc = -1;
  let offset = start;
  for (const last = end - 3; offset < last; offset += 4) {
    crc ^= bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24);
    crc = table3[crc & 0xff]! ^ table2[(crc >>> 8) & 0xff]! ^ table1[(crc >>> 16) & 0xff]! ^ table0[crc >>> 24]!;
  }
  for (; offset < end; offset++) crc = table0[(crc ^ bytes[offset]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function buildTables(): readonly [Int32Array, Int32Array, Int32Array, Int32Array] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[byte] = crc;
  }
  const shifted = (table: Int32Array): Int32Array => table.map((crc) => (crc >>> 8) ^ first[crc & 0xff]!);
  const second = shifted(first);
  const third = shifted(second);
  return [first, second, third, shifted(third)];
}
