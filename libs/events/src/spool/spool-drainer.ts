import { Backoff, pauseFor } from '../backoff.js';
import { WakeSignal } from '../wake-signal.js';
import type { LiveTail } from './live-tail.js';
import type { RecoveredSpool } from './recovered-spool.js';
import type { SpoolBacklog } from './spool-backlog.js';
import { tellOwners, writeOwners } from './spool-owners.js';
import { MAX_BATCH_RECORDS, SpoolPublisher } from './spool-publisher.js';
import type { SpoolOptions } from './spool.js';

/** Events of this long are published together: the publisher's round trips cost more than the wait. */
const GATHER_MS = 5;
/** Publishing begins at most this often, so that a busy process publishes fewer and larger batches. */
const PUBLISH_INTERVAL_MS = 100;
const RETRY_MS = 1_000;
const MAX_UNREADABLE_RETRY_MS = 60_000;

/** Publishes in the background: first what dead processes left, then what this one writes; and tells the owners of what is published to its end. */
export class SpoolDrainer {
  /** Torn records that were cut off what dead processes left. */
  tornTailCount = 0;
  private readonly stopped = new AbortController();
  private readonly publisher: SpoolPublisher;
  private readonly doorbell = new WakeSignal();
  private isFinishing = false;
  private publishedAtMs = 0;
  /** Left by dead processes and not read to the end yet. */
  private recovered: readonly RecoveredSpool[];
  private readonly unreadableBackoff = new Backoff(RETRY_MS, MAX_UNREADABLE_RETRY_MS);
  private unreadableSinceMs: number | undefined;
  private readAgainAtMs = 0;
  private draining: Promise<void> = Promise.resolve();
  /** Owners of what dead processes left; it does not hold up what this process publishes. */
  private told: Promise<boolean>[] = [];

  constructor(
    private readonly options: SpoolOptions,
    recovered: readonly RecoveredSpool[],
    private readonly tail: LiveTail,
    private readonly backlog: SpoolBacklog,
  ) {
    this.recovered = recovered;
    this.publisher = new SpoolPublisher({ eventLog: options.eventLog, logger: options.logger, signal: this.stopped.signal });
  }

  start(): void {
    this.draining = this.drain();
  }

  /** Something may be there to be published. */
  wake(): void {
    this.doorbell.ring();
  }

  /** Resolves once nothing is published any more: all of it after `finish`, or there was no more time. */
  get drained(): Promise<void> {
    return this.draining;
  }

  get isStopped(): boolean {
    return this.stopped.signal.aborted;
  }

  /** On disk, of what dead processes left. */
  get recoveredBytes(): number {
    let bytes = 0;
    for (const spool of this.recovered) bytes += spool.byteLength;
    return bytes;
  }

  /** Since when something that a dead process left could not be read; 0 when nothing is left unread. */
  get unreadableForMs(): number {
    return this.unreadableSinceMs === undefined ? 0 : this.options.clock.monotonicMs() - this.unreadableSinceMs;
  }

  /** Nothing of this process is open, and nothing that could be read waits. */
  get isEmpty(): boolean {
    return this.backlog.eventCount === 0 && this.tail.openCount === 0;
  }

  /** Publishes what is left and tells the owners, as far as the time allows. */
  async finish(withinMs: number): Promise<void> {
    this.isFinishing = true;
    this.doorbell.ring();
    const deadline = setTimeout(() => this.stop(), withinMs);
    await this.draining;
    if (this.isEmpty) await this.tellOwn();
    await Promise.all(this.told);
    clearTimeout(deadline);
    this.stop();
  }

  private stop(): void {
    this.stopped.abort();
    this.doorbell.ring();
  }

  private async drain(): Promise<void> {
    await this.drainAllRecovered();
    while (!this.stopped.signal.aborted) {
      let isIdle = false;
      if (this.recovered.length > 0 && this.options.clock.monotonicMs() >= this.readAgainAtMs) await this.drainAllRecovered();
      await this.untilItWorks(async () => {
        isIdle = !(await this.drainOnce());
      });
      if (isIdle && this.isFinishing && this.backlog.eventCount === 0) return;
      if (isIdle) await this.doorbell.wait(this.nextChangeMs());
      await this.gather(isIdle ? GATHER_MS : 0);
    }
  }

  /** What cannot be read stays for later, whole: its generations may have ended in what is missing. This process's own events do not wait for it. */
  private async drainAllRecovered(): Promise<void> {
    const unread: RecoveredSpool[] = [];
    for (const spool of this.recovered) {
      try {
        if (!this.isStopped && (await this.drainRecovered(spool))) this.told.push(this.tellRecovered(spool));
        else unread.push(spool);
      } catch (error) {
        unread.push(spool);
        this.options.logger.error('A spool that an earlier process left could not be read and is tried again; its events are not published.', { error });
      }
    }
    this.recovered = unread;
    if (unread.length === 0) {
      this.unreadableSinceMs = undefined;
      return;
    }
    const nowMs = this.options.clock.monotonicMs();
    this.unreadableSinceMs ??= nowMs;
    this.readAgainAtMs = nowMs + this.unreadableBackoff.nextDelayMs();
  }

  /** Milliseconds until there may be something to do although nobody wakes it. */
  private nextChangeMs(): number | undefined {
    const expiryMs = this.tail.nextExpiryMs();
    if (this.recovered.length === 0) return expiryMs;
    const readAgainMs = Math.max(0, this.readAgainAtMs - this.options.clock.monotonicMs());
    return Math.min(expiryMs ?? readAgainMs, readAgainMs);
  }

  /** False when there was no more time. */
  private async drainRecovered(spool: RecoveredSpool): Promise<boolean> {
    await spool.scan();
    this.tornTailCount += spool.tornTailCount;
    let remaining = spool.eventCount;
    this.backlog.add(remaining);
    try {
      for await (const { events, count } of spool.portions(this.options.recovery)) {
        if (!(await this.publisher.publish(events, identity, () => undefined))) return false;
        remaining -= count;
        this.backlog.remove(count);
      }
      return true;
    } catch (error) {
      // It is counted anew when it is tried again.
      this.backlog.remove(remaining);
      throw error;
    }
  }

  private async tellRecovered(spool: RecoveredSpool): Promise<boolean> {
    const { owner, folder, logger } = this.options;
    if (owner !== undefined && !(await tellOwners(spool.owners, owner, logger, this.stopped.signal))) return false;
    try {
      spool.finish(spool.isIn(folder) && owner !== undefined ? [owner.id] : []);
      return true;
    } catch (error) {
      logger.warn('A spool that was read to its end could not be removed.', { error });
      return false;
    }
  }

  /** What it did not come to is done by the next process, which finds the name in the folder. */
  private async tellOwn(): Promise<void> {
    const { owner, folder, logger } = this.options;
    const areOthersTold = (await Promise.all(this.told)).every(Boolean) && this.recovered.length === 0;
    if (owner === undefined || !(await tellOwners([owner.id], owner, logger, this.stopped.signal))) return;
    if (areOthersTold) writeOwners(folder, []);
  }

  /** False when there was nothing to do. */
  private async drainOnce(): Promise<boolean> {
    const pending = await this.tail.collect(this.isFinishing);
    if (pending.length > 0) this.publishedAtMs = this.options.clock.monotonicMs();
    const isDone = await this.publisher.publish(
      pending,
      ({ event }) => event,
      (published) => {
        this.tail.acknowledge(published);
        this.backlog.remove(published.length);
      },
    );
    if (isDone) await this.tail.sweep();
    return pending.length > 0;
  }

  /** The file system may refuse reads too; a drainer that ends would be worse than one that waits. */
  private async untilItWorks(step: () => Promise<void>): Promise<void> {
    while (!this.stopped.signal.aborted) {
      try {
        await step();
        return;
      } catch (error) {
        this.options.logger.error('The spool could not be read and tries again.', { error });
        await pauseFor(RETRY_MS, this.stopped.signal);
      }
    }
  }

  /** Lets more events come, at least for the given time, unless a batch is full. */
  private async gather(atLeastMs: number): Promise<void> {
    if (this.isFinishing || this.backlog.eventCount >= MAX_BATCH_RECORDS) return;
    const untilNextMs = this.publishedAtMs + PUBLISH_INTERVAL_MS - this.options.clock.monotonicMs();
    const pauseMs = Math.min(PUBLISH_INTERVAL_MS, Math.max(atLeastMs, untilNextMs));
    if (pauseMs > 0) await pauseFor(pauseMs, this.stopped.signal);
  }
}

const identity = <Item>(item: Item): Item => item;
