const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** Terminals, npm and process managers may all pass one Ctrl-C on: what comes this soon is the same wish. */
const SAME_WISH_MS = 1000;

/** Waits for the first SIGTERM, SIGINT or SIGHUP and stops; a second one ends the process at once. Resolves when all is stopped. */
export async function runUntilSignal(stop: () => Promise<void>, options: { readonly onSecondSignal?: () => void } = {}): Promise<void> {
  const first = Promise.withResolvers<void>();
  let firstTimeMs: number | undefined;
  const onSignal = (): void => {
    if (firstTimeMs === undefined) {
      firstTimeMs = performance.now();
      return first.resolve();
    }
    if (performance.now() - firstTimeMs < SAME_WISH_MS) return;
    options.onSecondSignal?.();
    process.exit(1);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  await first.promise;
  await stop();
  for (const signal of SIGNALS) process.off(signal, onSignal);
}
