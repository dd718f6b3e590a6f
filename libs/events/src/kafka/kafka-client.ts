import { Kafka, logLevel, type Admin, type KafkaConfig } from 'kafkajs';
import type { Logger } from '@switchyard/telemetry';
import { Backoff } from '../backoff.js';
import { repairKafkajs } from './kafkajs-repairs.js';

export interface KafkaConnectionOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly logger: Logger;
  /** TLS towards the brokers: true, or Node's TLS options. */
  readonly ssl?: KafkaConfig['ssl'];
  readonly sasl?: KafkaConfig['sasl'];
}

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 15_000;

export function newKafkaClient(options: KafkaConnectionOptions): Kafka {
  repairKafkajs();
  return new Kafka({
    clientId: options.clientId,
    brokers: [...options.brokers],
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    logLevel: logLevel.WARN,
    // It repeats every connection error; what matters we log ourselves, once, where it is handled.
    logCreator: () => (entry) => options.logger.debug('kafkajs', { detail: entry.log.message }),
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3 },
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    ...(options.sasl === undefined ? {} : { sasl: options.sasl }),
  });
}

/** A connection for administration that is made when needed, and made anew after a failure. */
export class KafkaAdmin {
  private admin: Promise<Admin> | undefined;

  constructor(private readonly client: Kafka) {}

  async use<Result>(work: (admin: Admin) => Promise<Result>): Promise<Result> {
    const connected = (this.admin ??= this.connect());
    try {
      return await work(await connected);
    } catch (error) {
      if (this.admin === connected) await this.close();
      throw error;
    }
  }

  /** Repeats the work while the broker comes up: for a moment after its port opens, coordinators are still loading. */
  async useUntilReady<Result>(work: (admin: Admin) => Promise<Result>, signal: AbortSignal, tries = 8): Promise<Result> {
    const backoff = new Backoff(100, 1_000);
    for (;;) {
      try {
        return await this.use(work);
      } catch (error) {
        if (signal.aborted || backoff.failureCount >= tries) throw error;
      }
      await backoff.pause(signal);
    }
  }

  async close(): Promise<void> {
    const { admin } = this;
    this.admin = undefined;
    await admin?.then((connected) => connected.disconnect()).catch(() => undefined);
  }

  private async connect(): Promise<Admin> {
    const admin = this.client.admin();
    await admin.connect();
    return admin;
  }
}
