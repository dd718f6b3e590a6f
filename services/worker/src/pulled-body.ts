/**
 * A body that is pulled piece by piece: `arrival`, which is awaited where there is something to await, then `take`, and so on. One reader,
 * which pays for a promise only where it has to wait.
 */
export interface PulledBody {
  /** All of it has been taken, and nothing failed. */
  readonly isAtEnd: boolean;
  /** Undefined where bytes, the end or a failure are there already; otherwise resolves once they are. Never rejects. */
  arrival(): Promise<void> | undefined;
  /**
   * What arrived; undefined is the end. `maxBytes` is a wish: a decoder hands out pieces of its own size. The bytes are the caller's
   * until it lets anything else happen: what comes next may take their place.
   */
  take(maxBytes?: number): Buffer | undefined;
}

/** The next piece, waited for. */
export async function nextPiece(body: PulledBody, maxBytes?: number): Promise<Buffer | undefined> {
  await body.arrival();
  return body.take(maxBytes);
}
