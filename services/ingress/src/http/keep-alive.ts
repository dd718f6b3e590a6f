/** An answer that can tell its client that it is still being worked on. */
export interface KeptAlive {
  keepAliveIfSilent(silentMs: number): void;
}

const CHECK_INTERVAL_MS = 1_000;

/** One timer for every open stream: comments keep idle connections open through proxies with short timeouts. */
export class KeepAlive {
  private readonly answers = new Set<KeptAlive>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly silentMs: number) {}

  start(): void {
    this.timer = setInterval(() => {
      for (const answer of this.answers) answer.keepAliveIfSilent(this.silentMs);
    }, CHECK_INTERVAL_MS);
    this.timer.unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  add(answer: KeptAlive): void {
    this.answers.add(answer);
  }

  remove(answer: KeptAlive): void {
    this.answers.delete(answer);
  }

  /** Streams that are open at the moment. */
  get size(): number {
    return this.answers.size;
  }
}
