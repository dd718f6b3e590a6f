import type { Logger } from '@switchyard/telemetry';
import type { Pool, PoolClient } from 'pg';
import { setTimeout as delay } from 'node:timers/promises';

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
    this.drop(this.client);
  }

  /** Returns what ends it. */
  on(signal: BillingSignal, listener: () => void): () => void {
    const listeners = this.listeners.get(signal) ?? new Set();
    this.listeners.set(signal, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  private async connect(): Promise<void> {
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
      this.logger.warn('could not listen for signals of other billing instances', { error });
      this.reconnect(this.client);
    }
  }

  private reconnect(client: PoolClient | undefined): void {
    if (client !== this.client) return;
    this.drop(client);
    if (!this.isStopped) void delay(RECONNECT_PAUSE_MS, undefined, { ref: false }).then(() => (this.isStopped ? undefined : this.connect()));
  }

  private drop(client: PoolClient | undefined): void {
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
