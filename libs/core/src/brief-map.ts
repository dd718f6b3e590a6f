interface Box<Value> {
  value: Value | undefined;
}

/**
 * A map for many values that each stay briefly, such as the requests under way. Where a plain map makes itself anew (which it does again and again while entries
 * come and go) its former table keeps the values of that moment, and the table that followed: once one of these tables is old, every later one and all that
 * hangs on its values is carried into the old generation, and stays there until the whole heap is collected. Here a deleted value is let go at once.
 */
export class BriefMap<Key, Value extends object> {
  private readonly boxes = new Map<Key, Box<Value>>();

  get size(): number {
    return this.boxes.size;
  }

  has(key: Key): boolean {
    return this.boxes.has(key);
  }

  get(key: Key): Value | undefined {
    return this.boxes.get(key)?.value;
  }

  /** The key goes to the end unless it is there already. */
  set(key: Key, value: Value): void {
    const box = this.boxes.get(key);
    if (box === undefined) this.boxes.set(key, { value });
    else box.value = value;
  }

  /** The value that the key had. */
  delete(key: Key): Value | undefined {
    const box = this.boxes.get(key);
    if (box === undefined) return undefined;
    const { value } = box;
    box.value = undefined;
    this.boxes.delete(key);
    return value;
  }

  clear(): void {
    for (const box of this.boxes.values()) box.value = undefined;
    this.boxes.clear();
  }

  /** In the order in which the keys came. Entries that are deleted meanwhile are passed over. */
  *entries(): Generator<readonly [key: Key, value: Value]> {
    for (const [key, { value }] of this.boxes) if (value !== undefined) yield [key, value];
  }

  *values(): Generator<Value> {
    for (const { value } of this.boxes.values()) if (value !== undefined) yield value;
  }
}
