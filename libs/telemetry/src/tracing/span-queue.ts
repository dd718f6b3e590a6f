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
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  private isClosed = false;

  constructor(
    private readonly sink: SpanSink<QueuedSpan>,
    private readonly options: SpanQueueOptions,
    private readonly events: SpanQueueEvents,
  ) {}

  add(span: QueuedSpan): void {
    if (this.waiting.length >= this.options.maxQueueSize || this.isClosed) return this.events.onDropped(1);
    this.waiting.push(span);
    if (this.sending) return;
    if (this.waiting.length >= this.options.maxBatchSize) this.schedule(0);
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
    this.sending = this.sendBatch(this.waiting.splice(0, this.options.maxBatchSize)).finally(() => {
      this.sending = undefined;
      if (this.waiting.length > 0) this.schedule(this.waiting.length >= this.options.maxBatchSize ? 0 : this.options.delayMs);
    });
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
