import type { Logger } from '@switchyard/telemetry';
import type { Pool, PoolClient } from 'pg';

/** Signals between billing instances. They carry nothing and may be lost: whoever listens also looks by itself now and then. */
export type BillingSignal = 'billing_changes' | 'billing_recalls' | 'billing_releases';

const SIGNALS: readonly BillingSignal[] = ['billing_changes', 'billing_recalls', 'billing_releases'];
const RECONNECT_PAUSE_MS = 500;

/** Sent when the surrounding transaction commits. */
export async function sendSignal(client: Pick<PoolClient, 'query'>, signal: BillingSignal): Promise<void> {
  await client.query(`NOTIFY ${signal}`);
}

/** One connection that listens, and comes back when it breaks. */
export class NotificationListener {
  private readonly listeners = new Map<BillingSignal, Set<() => void>>();
  private client: PoolClient | undefined;
  private isConnecting = false;
  /** Waits for the next try. */
  private pause: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(
    private readonly pool: Pool,
    private readonly logger: Logger,
  ) {}

  get isListening(): boolean {
    return this.client !== undefined;
  }

  /** Resolves after the first try; failures are retried in the background. */
  async start(): Promise<void> {
    this.isStopped = false;
    if (this.pool.options.max < 2) {
      this.logger.warn('one database connection is too few to listen with; signals of other billing instances are found by looking');
      return;
    }
    await this.connect();
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.pause);
    this.pause = undefined;
    this.drop();
  }

  /** Returns what ends it. */
  on(signal: BillingSignal, listener: () => void): () => void {
    const listeners = this.listeners.get(signal) ?? new Set();
    this.listeners.set(signal, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  private async connect(): Promise<void> {
    if (this.isConnecting || this.client) return;
    this.isConnecting = true;
    try {
      const client = await this.pool.connect();
      if (this.isStopped) {
        client.release();
        return;
      }
      client.on('error', () => this.reconnect(client));
      client.on('end', () => this.reconnect(client));
      client.on('notification', ({ channel }) => this.dispatch(channel));
      this.client = client;
      for (const signal of SIGNALS) await client.query(`LISTEN ${signal}`);
      // Whatever was missed meanwhile is found by looking once.
      for (const signal of SIGNALS) this.dispatch(signal);
    } catch (error) {
      if (!this.isStopped) this.logger.warn('could not listen for signals of other billing instances', { error });
      this.drop();
    } finally {
      this.isConnecting = false;
      this.connectLater();
    }
  }

  /** A connection tells of its end more than once, and while it is being set up the failing statement tells too. */
  private reconnect(client: PoolClient): void {
    if (client !== this.client) return;
    this.drop();
    this.connectLater();
  }

  /** Nothing while there is a connection, or one is under way: that one comes here itself when it fails. */
  private connectLater(): void {
    if (this.isStopped || this.client || this.isConnecting || this.pause) return;
    this.pause = setTimeout(() => {
      this.pause = undefined;
      void this.connect();
    }, RECONNECT_PAUSE_MS).unref();
  }

  private drop(): void {
    const { client } = this;
    this.client = undefined;
    if (!client) return;
    client.removeAllListeners('notification');
    client.removeAllListeners('end');
    client.release(true);
  }

  private dispatch(channel: string): void {
    for (const listener of this.listeners.get(channel as BillingSignal) ?? []) listener();
  }
}
