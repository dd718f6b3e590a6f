const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;

/** The partition that Kafka's own clients give a key (murmur2), so that every program that writes puts a key in the same place. */
export function partitionOfKey(key: string, partitionCount: number): number {
  return (murmur2(Buffer.from(key)) & 0x7fff_ffff) % partitionCount;
}

/** The signed 32-bit hash. */
export function murmur2(bytes: Uint8Array): number {
  const wholeBytes = bytes.length & ~3;
  let hash = SEED ^ bytes.length;
  for (let offset = 0; offset < wholeBytes; offset += 4) {
    let word = bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24);
    word = Math.imul(word, MULTIPLIER);
    word = Math.imul(word ^ (word >>> 24), MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ word;
  }
  const restBytes = bytes.length - wholeBytes;
  if (restBytes > 2) hash ^= bytes[wholeBytes + 2]! << 16;
  if (restBytes > 1) hash ^= bytes[wholeBytes + 1]! << 8;
  if (restBytes > 0) hash = Math.imul(hash ^ bytes[wholeBytes]!, MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}
