import { expect, it } from '@jest/globals';
import { eventually } from '@switchyard/testing';

type OpenStream<Message> = (signal?: AbortSignal) => AsyncIterable<Message>;

/** What every server stream of every port promises. */
export function itKeepsStreamPromises<Message>(open: OpenStream<Message>, openCalls: () => number): void {
  // A stream left before may still be on its way out.
  const quiet = () => eventually(() => expect(openCalls()).toBe(0));

  it('lets the service go when the reader leaves', async () => {
    await quiet();
    expect(await firstMessage(open())).toBeDefined();
    await quiet();
  });

  it('ends with the reason of an abort, also while it is silent', async () => {
    await quiet();
    const abort = new AbortController();
    let messageCount = 0;
    const reading = (async () => {
      for await (const _message of open(abort.signal)) messageCount++;
    })();
    const outcome = expect(reading).rejects.toThrow('enough');
    await eventually(() => expect(messageCount).toBeGreaterThan(0));
    expect(openCalls()).toBe(1);
    abort.abort(new Error('enough'));
    await outcome;
    await quiet();
  });

  it('does not begin for a caller that is gone', async () => {
    await quiet();
    await expect(firstMessage(open(AbortSignal.abort(new Error('gone'))))).rejects.toThrow('gone');
    expect(openCalls()).toBe(0);
  });
}

/** The first message that is wanted; the stream is left then. */
export async function firstMessage<Message>(stream: AsyncIterable<Message>, isWanted: (message: Message) => boolean = () => true): Promise<Message> {
  for await (const message of stream) if (isWanted(message)) return message;
  throw new Error('The stream ended without the message.');
}

/** A stream that is read while something else goes on. */
export class StreamReading<Message> {
  readonly messages: Message[] = [];
  private readonly abort = new AbortController();
  private readonly ended: Promise<void>;

  constructor(open: OpenStream<Message>, onMessage: (message: Message) => Promise<void> = async () => {}) {
    this.ended = (async () => {
      for await (const message of open(this.abort.signal)) {
        this.messages.push(message);
        await onMessage(message);
      }
    })();
    // Whoever stops it learns how it ended.
    this.ended.catch(() => undefined);
  }

  /** Leaves the stream. @throws what else it had ended with. */
  async stop(): Promise<void> {
    const reason = new Error('read enough');
    this.abort.abort(reason);
    await this.ended.catch((error: unknown) => {
      if (error !== reason) throw error;
    });
  }
}
