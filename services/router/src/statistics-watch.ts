import type { AnalyticsPort } from '@switchyard/proto';
import type { EndpointStatisticsRecord } from '@switchyard/routing';
import type { Logger } from '@switchyard/telemetry';

export interface StatisticsWatchOptions {
  readonly port: Pick<AnalyticsPort, 'watchEndpointStatistics'>;
  readonly logger: Logger;
  readonly reconnectMs: number;
  onStatistics(statistics: readonly EndpointStatisticsRecord[]): void;
}

/** Follows the endpoints' windows that analytics computes, and comes back when the stream breaks. */
export class StatisticsWatch {
  private readonly closing = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: StatisticsWatchOptions) {}

  start(): void {
    this.running ??= this.follow();
  }

  async stop(): Promise<void> {
    this.closing.abort(new Error('the statistics watch was stopped'));
    await this.running;
  }

  private async follow(): Promise<void> {
    const { port, logger, reconnectMs } = this.options;
    let isBroken = false;
    while (!this.closing.signal.aborted) {
      try {
        for await (const { endpoints } of port.watchEndpointStatistics({}, { signal: this.closing.signal })) {
          if (isBroken) logger.info('Endpoint statistics are followed again');
          isBroken = false;
          this.options.onStatistics(endpoints);
        }
      } catch (error) {
        if (this.closing.signal.aborted) return;
        if (!isBroken) logger.warn('Endpoint statistics cannot be followed; the last ones count', { error });
        isBroken = true;
      }
      await this.pause(reconnectMs);
    }
  }

  private async pause(durationMs: number): Promise<void> {
    const waited = Promise.withResolvers<void>();
    const timer = setTimeout(() => waited.resolve(), durationMs);
    const stop = (): void => waited.resolve();
    this.closing.signal.addEventListener('abort', stop, { once: true });
    if (this.closing.signal.aborted) stop();
    await waited.promise;
    clearTimeout(timer);
    this.closing.signal.removeEventListener('abort', stop);
  }
}
