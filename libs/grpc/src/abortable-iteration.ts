/**
 * Reads a stream until it ends or the signal aborts. Unlike plain `for await`, an abort ends it at once even while the source is
 * silent. The source is closed in every case; it must also watch its own signal, for nobody can interrupt a pending `await` in it.
 * @throws the signal's reason when it aborted.
 */
export async function* iterateUntilAborted<Item>(source: AsyncIterable<Item>, signal: AbortSignal): AsyncGenerator<Item, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  // One pending step at a time: a race against one long-lived promise would keep every message of a watch for as long as it lasts.
  let failPending: ((reason: unknown) => void) | undefined;
  const step = (): Promise<IteratorResult<Item, unknown>> =>
    new Promise((resolve, reject) => {
      failPending = reject;
      iterator.next().then(resolve, reject);
    });
  const onAbort = (): void => failPending?.(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const result = await step();
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not awaited: a source that hangs must not hold up whoever left.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
