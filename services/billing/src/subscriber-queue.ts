/** Messages for one stream. Bounded: a subscriber that does not keep up is ended, and starts anew. */
export class SubscriberQueue<Message> implements AsyncIterable<Message> {
  private readonly messages: Message[] = [];
  private isClosed = false;
  private wake: (() => void) | undefined;

  constructor(private readonly maxLength: number) {}

  push(message: Message): void {
    if (this.isClosed) return;
    if (this.messages.length >= this.maxLength) {
      this.messages.length = 0;
      this.close();
      return;
    }
    this.messages.push(message);
    this.wake?.();
  }

  /** What was pushed before is still delivered. */
  close(): void {
    this.isClosed = true;
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined> {
    for (;;) {
      const message = this.messages.shift();
      if (message !== undefined) {
        yield message;
        continue;
      }
      if (this.isClosed) return;
      await new Promise<void>((resolve) => (this.wake = resolve));
      this.wake = undefined;
    }
  }
}
