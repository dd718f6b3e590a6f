import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EachBatchPayload } from 'kafkajs';

interface Arrival {
  readonly payload: EachBatchPayload;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Brings together what one fetch brought. kafkajs hands it over by partitions; handled one by one, each would cost a transaction and a commit of its own,
 * with a few records in it.
 */
export class GatheredFetch {
  private arrivals: Arrival[] = [];
  private isHandling = false;

  /** @param handle is called for one gathering after the other, never for two at once */
  constructor(private readonly handle: (payloads: readonly EachBatchPayload[]) => Promise<void>) {}

  /** One partition's share. Settles as the handling of its gathering does. */
  take(payload: EachBatchPayload): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.arrivals.push({ payload, resolve, reject });
    if (!this.isHandling) void this.handleAll();
    return promise;
  }

  private async handleAll(): Promise<void> {
    this.isHandling = true;
    // The partitions of a fetch arrive in the same turn.
    await nextTurn();
    while (this.arrivals.length > 0) {
      const gathered = this.arrivals;
      this.arrivals = [];
      try {
        await this.handle(gathered.map(({ payload }) => payload));
        for (const { resolve } of gathered) resolve();
      } catch (error) {
        for (const { reject } of gathered) reject(error);
      }
    }
    this.isHandling = false;
  }
}
