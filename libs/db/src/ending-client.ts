import type { Socket } from 'node:net';
import pg from 'pg';

type ConnectCallback = Parameters<pg.Client['connect']>[0];

/**
 * A client that hangs up when it cannot connect: the driver leaves its socket open when the password could not be had, and the server then waits for the
 * rest of the login, a minute by default. What it is asked in one go leaves together.
 */
export class EndingClient extends pg.Client {
  private isGathering = false;
  private readonly usualAnswerTimeoutMs = this.parameters.query_timeout;

  override connect(): Promise<pg.Client>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.Client> | undefined {
    if (callback === undefined) return super.connect().catch((error: unknown) => this.hangUp(error));
    super.connect((error: Error | null | undefined) => {
      if (error != null) this.socket.destroy();
      (callback as (error: Error | null | undefined) => void)(error);
    });
    return undefined;
  }

  /** Without waiting for the answer to what was asked, which `end` does. */
  cut(): void {
    this.socket.destroy();
  }

  /** How long answers are awaited from here on; 0: without end, undefined: as usual. */
  awaitAnswersFor(timeoutMs: number | undefined): void {
    this.parameters.query_timeout = timeoutMs ?? this.usualAnswerTimeoutMs;
  }

  override query(...asked: unknown[]): never {
    this.gather();
    return super.query(...(asked as Parameters<pg.Client['query']>)) as never;
  }

  /** Until the running code has asked all that it has to ask: the driver sends a statement in several pieces, each by a system call of its own. */
  private gather(): void {
    if (this.isGathering) return;
    this.isGathering = true;
    const { socket } = this;
    socket.cork();
    queueMicrotask(() => {
      this.isGathering = false;
      socket.uncork();
    });
  }

  private hangUp(error: unknown): never {
    this.socket.destroy();
    throw error;
  }

  private get parameters(): { query_timeout: number | false } {
    return (this as unknown as { readonly connectionParameters: { query_timeout: number | false } }).connectionParameters;
  }

  private get socket(): Socket {
    return (this as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream;
  }
}
