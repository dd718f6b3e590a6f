import { Backoff } from '../backoff.js';
import type { EventLog, EventRecord } from '../event-log.js';
import type { Logger } from '@switchyard/telemetry';

export const MAX_BATCH_RECORDS = 500;
/** Kafka takes 1 MiB per batch unless told otherwise, and a character may take three bytes. */
const MAX_BATCH_CHARACTERS = 300_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

export interface SpoolPublisherOptions {
  readonly eventLog: EventLog;
  readonly logger: Logger;
  /** Given when there is no more time. */
  readonly signal: AbortSignal;
}

/** Publishes in bounded batches, and tries each for as long as it takes. */
export class SpoolPublisher {
  constructor(private readonly options: SpoolPublisherOptions) {}

  /** Calls back after each batch that the log acknowledged. Returns false when it was told to stop before the end. */
  async publish<Item>(items: readonly Item[], eventOf: (item: Item) => EventRecord, onPublished: (items: readonly Item[]) => void): Promise<boolean> {
    for (const batch of batchesOf(items, eventOf)) {
      if (!(await this.publishBatch(batch.map(eventOf)))) return false;
      onPublished(batch);
    }
    return true;
  }

  private async publishBatch(records: readonly EventRecord[]): Promise<boolean> {
    const backoff = new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS);
    while (!this.options.signal.aborted) {
      try {
        if (!(await this.unlessStopped(this.options.eventLog.publish(records)))) return false;
        if (backoff.failureCount > 0) this.options.logger.info('The event log takes events again.', { attempt: backoff.failureCount });
        return true;
      } catch (error) {
        if (backoff.failureCount === 0) this.options.logger.warn('The event log took no events; the spool keeps them and tries again.', { error });
      }
      await backoff.pause(this.options.signal);
    }
    return false;
  }

  /** True once it is published; false when there is no more time to hear of that. */
  private unlessStopped(publishing: Promise<void>): Promise<boolean> {
    const { signal } = this.options;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => resolve(false);
      signal.addEventListener('abort', onAbort);
      publishing.then(() => resolve(true), reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }
}

/** As much as the log takes at once; an event that is larger goes alone. */
export function* batchesOf<Item>(items: readonly Item[], eventOf: (item: Item) => EventRecord): Generator<readonly Item[], void, undefined> {
  for (let start = 0; start < items.length;) {
    const end = batchEnd(items, eventOf, start);
    yield items.slice(start, end);
    start = end;
  }
}

function batchEnd<Item>(items: readonly Item[], eventOf: (item: Item) => EventRecord, start: number): number {
  let characters = 0;
  let end = start;
  while (end < items.length && end - start < MAX_BATCH_RECORDS) {
    characters += eventOf(items[end]!).value.length;
    if (end > start && characters > MAX_BATCH_CHARACTERS) break;
    end++;
  }
  return end;
}
