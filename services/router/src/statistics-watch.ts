import { setTimeout as delay } from 'node:timers/promises';
import type { AnalyticsPort } from '@switchyard/proto';
import type { EndpointStatisticsRecord } from '@switchyard/routing';
import type { Logger } from '@switchyard/telemetry';

export interface StatisticsWatchOptions {
  readonly port: Pick<AnalyticsPort, 'watchEndpointStatistics'>;
  readonly logger: Logger;
  readonly reconnectMs: number;
  /** Once analytics has been away for this long `onLost` is called. */
  readonly lostAfterMs: number;
  onStatistics(statistics: readonly EndpointStatisticsRecord[]): void;
  /** The last statistics are too old to say what fails at the moment. */
  onLost(): void;
}

/** Follows the endpoints' windows that analytics computes, and comes back when the stream breaks. */
export class StatisticsWatch {
  private readonly closing = new AbortController();
  private running: Promise<void> | undefined;
  private lossTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: StatisticsWatchOptions) {}

  start(): void {
    this.running ??= this.follow();
  }

  async stop(): Promise<void> {
    this.closing.abort(new Error('the statistics watch was stopped'));
    await this.running;
    this.expectNoLoss();
  }

  private async follow(): Promise<void> {
    const { port, logger, reconnectMs } = this.options;
    let isBroken = false;
    while (!this.closing.signal.aborted) {
      try {
        for await (const { endpoints } of port.watchEndpointStatistics({}, { signal: this.closing.signal })) {
          if (isBroken) logger.info('Endpoint statistics are followed again');
          isBroken = false;
          this.expectNoLoss();
          this.options.onStatistics(endpoints);
        }
      } catch (error) {
        if (this.closing.signal.aborted) return;
        if (!isBroken) logger.warn('Endpoint statistics cannot be followed; the last ones count', { error });
        isBroken = true;
      }
      this.expectLoss();
      await delay(reconnectMs, undefined, { signal: this.closing.signal }).catch(() => undefined);
    }
  }

  private expectLoss(): void {
    this.lossTimer ??= setTimeout(() => this.options.onLost(), this.options.lostAfterMs).unref();
  }

  private expectNoLoss(): void {
    clearTimeout(this.lossTimer);
    this.lossTimer = undefined;
  }
}
