import type { Socket } from 'node:net';
import pg from 'pg';

type ConnectCallback = Parameters<pg.Client['connect']>[0];

/**
 * A client that hangs up when it cannot connect. The driver leaves its socket open when the password could not be had, and the server then waits for the
 * rest of the login, a minute by default.
 */
export class EndingClient extends pg.Client {
  override connect(): Promise<pg.Client>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.Client> | undefined {
    if (callback === undefined) return super.connect().catch((error: unknown) => this.hangUp(error));
    super.connect((error: Error | null | undefined) => {
      if (error != null) this.destroySocket();
      (callback as (error: Error | null | undefined) => void)(error);
    });
    return undefined;
  }

  private hangUp(error: unknown): never {
    this.destroySocket();
    throw error;
  }

  private destroySocket(): void {
    (this as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream.destroy();
  }
}
