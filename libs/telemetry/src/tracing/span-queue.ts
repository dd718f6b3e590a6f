import type { Span } from './span.js';

/** Where batches of spans go. @throws when they were not taken; the batch is then lost. */
export interface SpanSink<Item> {
  send(spans: readonly Item[]): Promise<void>;
  close(): Promise<void>;
}

/** Names and defaults of OpenTelemetry's batch processor (`OTEL_BSP_*`). */
export interface SpanQueueOptions {
  readonly maxQueueSize: number;
  readonly maxBatchSize: number;
  /** Content that may wait in all, and that one batch may hold: receivers refuse messages beyond some size. */
  readonly maxContentBytes: number;
  readonly maxBatchContentBytes: number;
  readonly delayMs: number;
  /** Longest time for one batch; afterwards it counts as lost. */
  readonly exportTimeoutMs: number;
}

export interface SpanQueueEvents {
  onDropped(count: number): void;
  onExported(count: number): void;
  /** A batch was lost. */
  onFailed(error: unknown, count: number): void;
}

export interface QueuedSpan {
  readonly span: Span;
  /** The part of the program that made it. */
  readonly target: string;
}

/** Waits for nobody: what does not fit is dropped and counted, and one batch is under way at a time. */
export class SpanQueue {
  private waiting: QueuedSpan[] = [];
  private waitingContentBytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  private isClosed = false;

  constructor(
    private readonly sink: SpanSink<QueuedSpan>,
    private readonly options: SpanQueueOptions,
    private readonly events: SpanQueueEvents,
  ) {}

  add(span: QueuedSpan): void {
    const contentBytes = contentBytesOf(span);
    const isFull = this.waiting.length >= this.options.maxQueueSize || this.waitingContentBytes + contentBytes > this.options.maxContentBytes;
    if (isFull || this.isClosed) return this.events.onDropped(1);
    this.waiting.push(span);
    this.waitingContentBytes += contentBytes;
    if (this.sending) return;
    if (this.hasFullBatch) this.schedule(0);
    else if (this.timer === undefined) this.schedule(this.options.delayMs);
  }

  /** Sends what waits, as far as it goes within the time; the rest is dropped. */
  async close(withinMs: number): Promise<void> {
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, withinMs);
    await Promise.race([this.drain(), patience.promise]);
    clearTimeout(timer);
    clearTimeout(this.timer);
    this.isClosed = true;
    if (this.waiting.length > 0) this.events.onDropped(this.waiting.length);
    this.waiting = [];
    await this.sink.close().catch(() => undefined);
  }

  private async drain(): Promise<void> {
    for (;;) {
      await this.sending;
      if (this.waiting.length === 0) return;
      this.startSending();
    }
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.startSending(), delayMs);
    this.timer.unref();
  }

  private startSending(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.sending || this.waiting.length === 0) return;
    this.sending = this.sendBatch(this.takeBatch()).finally(() => {
      this.sending = undefined;
      if (this.waiting.length > 0) this.schedule(this.hasFullBatch ? 0 : this.options.delayMs);
    });
  }

  private get hasFullBatch(): boolean {
    return this.waiting.length >= this.options.maxBatchSize || this.waitingContentBytes >= this.options.maxBatchContentBytes;
  }

  private takeBatch(): QueuedSpan[] {
    const { maxBatchSize, maxBatchContentBytes } = this.options;
    let contentBytes = 0;
    let count = 0;
    while (count < this.waiting.length && count < maxBatchSize) {
      const sizeBytes = contentBytesOf(this.waiting[count]!);
      if (count > 0 && contentBytes + sizeBytes > maxBatchContentBytes) break;
      contentBytes += sizeBytes;
      count++;
    }
    this.waitingContentBytes -= contentBytes;
    return this.waiting.splice(0, count);
  }

  private async sendBatch(batch: readonly QueuedSpan[]): Promise<void> {
    const timeout = Promise.withResolvers<never>();
    const timer = setTimeout(() => timeout.reject(new Error('The receiver of spans did not answer in time.')), this.options.exportTimeoutMs);
    timer.unref();
    try {
      await Promise.race([this.sink.send(batch), timeout.promise]);
      this.events.onExported(batch.length);
    } catch (error) {
      this.events.onFailed(error, batch.length);
    } finally {
      clearTimeout(timer);
    }
  }
}

function contentBytesOf({ span }: QueuedSpan): number {
  return span.contentBytes ?? 0;
}
