const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Waits for the first SIGTERM, SIGINT or SIGHUP and stops; a second one ends the process at once. Resolves when all is stopped. */
export async function runUntilSignal(stop: () => Promise<void>, options: { readonly onSecondSignal?: () => void } = {}): Promise<void> {
  const first = Promise.withResolvers<void>();
  let count = 0;
  const onSignal = (): void => {
    count++;
    if (count === 1) return first.resolve();
    options.onSecondSignal?.();
    process.exit(1);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  await first.promise;
  await stop();
  for (const signal of SIGNALS) process.off(signal, onSignal);
}
