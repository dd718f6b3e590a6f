import type { Logger } from '@switchyard/telemetry';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Waits for the first SIGTERM or SIGINT and stops; a second one ends the process at once. Resolves when all is stopped. */
export async function runUntilSignal(stop: () => Promise<void>, logger: Logger): Promise<void> {
  const first = Promise.withResolvers<string>();
  let count = 0;
  const onSignal = (signal: string): void => {
    count++;
    if (count === 1) return first.resolve(signal);
    logger.warn('A second signal ends the process at once', { signal });
    process.exit(1);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const signal = await first.promise;
  logger.info('Got a signal to stop', { signal });
  await stop();
  for (const name of SIGNALS) process.off(name, onSignal);
}
