const POLYNOMIAL = 0x82f63b78;
const [TABLE_0, TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7] = buildTables();

/** The checksum of Kafka's record batches (CRC-32C, Castagnoli), as an unsigned 32-bit number; eight bytes at a time. */
export function crc32c(bytes: DataView, start: number, end: number): number {
  let crc = -1;
  let offset = start;
  for (const last = end - 7; offset < last; offset += 8) {
    const low = crc ^ bytes.getInt32(offset, true);
    const high = bytes.getInt32(offset + 4, true);
    crc =
      TABLE_7[low & 0xff]! ^
      TABLE_6[(low >>> 8) & 0xff]! ^
      TABLE_5[(low >>> 16) & 0xff]! ^
      TABLE_4[low >>> 24]! ^
      TABLE_3[high & 0xff]! ^
      TABLE_2[(high >>> 8) & 0xff]! ^
      TABLE_1[(high >>> 16) & 0xff]! ^
      TABLE_0[high >>> 24]!;
  }
  for (; offset < end; offset++) crc = TABLE_0[(crc ^ bytes.getUint8(offset)) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

type Tables = readonly [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array];

/** The first table has the sum of each byte, each further one that of the byte with one zero more behind it. */
function buildTables(): Tables {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[byte] = crc;
  }
  const tables = [first];
  for (let zeros = 1; zeros < 8; zeros++) tables.push(tables[zeros - 1]!.map((crc) => (crc >>> 8) ^ first[crc & 0xff]!));
  return tables as unknown as Tables;
}
