import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { ConfigError } from '@switchyard/config';
import { ConsumerLagWatch } from '@switchyard/events';
import { AccountPort, KeyPort, LeasePort, LedgerPort } from '@switchyard/proto';
import { READINESS_CHECKS, type ReadinessCheck, type TargetContext } from '@switchyard/runtime';
import type { Pool } from 'pg';
import { AccountService } from './account.service.js';
import { billingProblems, type BillingConfig } from './billing.config.js';
import { billingMetrics } from './billing-metrics.js';
import { HolderRecalls } from './holder-recalls.js';
import { KeyChangeFeed } from './key-change-feed.js';
import { KeySpend } from './key-spend.js';
import { KeyService } from './key.service.js';
import { LeaseExpiryJob } from './lease-expiry.job.js';
import { LeaseReturns } from './lease-returns.js';
import { LeaseService } from './lease.service.js';
import { createMonthPartitions } from './ledger-partition.store.js';
import { LedgerService } from './ledger.service.js';
import { LedgerWatch } from './ledger-watch.js';
import { NotificationListener } from './notification-listener.store.js';
import { ReleaseWaiter } from './release-waiter.js';
import { ScopeLimits } from './scope-limits.js';
import { ScopeResolver } from './scope-resolver.js';
import { CONSUMER_GROUP, CONSUMER_TOPICS, UsageEventConsumer } from './usage-event.consumer.js';
import { UsagePosting } from './usage-posting.js';

type BillingContext = Pick<TargetContext<BillingConfig>, 'config' | 'clock' | 'random' | 'logger' | 'metrics' | 'tracer' | 'pool' | 'eventLog'>;

/** Everything that billing is made of, wired. */
export function createBilling(context: BillingContext) {
  const { config, clock, random, logger, eventLog } = context;
  const pool = context.pool();
  const metrics = billingMetrics(context.metrics);
  const problems = billingProblems(config);
  if (problems.length > 0) throw new ConfigError(problems);
  const listener = new NotificationListener(pool, logger);
  const shared = { pool, clock, random, logger, listener, heartbeatMs: config.heartbeatMs };
  const scopeLimits = new ScopeLimits(config, () => clock.nowMs());
  const feed = new KeyChangeFeed({ ...shared, scopeLimits });
  const holderRecalls = new HolderRecalls(shared);
  const releaseWaiter = new ReleaseWaiter(listener);
  const leaseReturns = new LeaseReturns(shared);
  const scopeResolver = new ScopeResolver({ ...shared, scopeLimits });
  const watches = createWatches(context, pool);
  const consumer = new UsageEventConsumer({
    eventLog,
    posting: new UsagePosting(pool, clock),
    logger,
    metrics: metrics.usage,
    keySpend: watches.keySpend,
    maxBatchSize: config.consumerBatchSize,
    tracer: context.tracer,
  });
  const expiry = new LeaseExpiryJob({
    ...shared,
    eventLog,
    leaseReturns,
    leaseAbandonAfterMs: config.leaseAbandonAfterMs,
    abandonedCounter: metrics.abandonedLeases,
  });
  return {
    keys: new KeyService({ ...shared, scopeLimits, feed }),
    accounts: new AccountService({ ...shared, scopeLimits, purchaseThresholdPico: config.purchaseThresholdPico }),
    leases: new LeaseService({
      ...shared,
      scopeResolver,
      scopeLimits,
      leaseReturns,
      holderRecalls,
      releaseWaiter,
      shortageCounter: metrics.shortages,
      options: config,
    }),
    ledger: new LedgerService(pool, clock, config),
    consumer,
    expiry,
    listener,
    async start(): Promise<void> {
      // Partitions first: the consumer writes into them.
      await createMonthPartitions(pool, clock.nowMs());
      await listener.start();
      feed.start();
      holderRecalls.start();
      expiry.start();
      await consumer.start();
      watches.start();
    },
    async stop(): Promise<void> {
      await watches.stop();
      await consumer.stop();
      await expiry.stop();
      releaseWaiter.stop();
      await holderRecalls.stop();
      await feed.stop();
      listener.stop();
    },
  };
}

/** What only metrics are made of. */
function createWatches({ config, clock, logger, eventLog, metrics }: BillingContext, pool: Pool) {
  const watched = { pool, clock, logger, metrics, intervalMs: config.ledgerWatchMs };
  const keySpend = new KeySpend(watched);
  const ledgerWatch = new LedgerWatch(watched);
  const lag = new ConsumerLagWatch({ eventLog, group: CONSUMER_GROUP, topics: CONSUMER_TOPICS, metrics, clock, logger });
  return {
    keySpend,
    start(): void {
      lag.start();
      keySpend.start();
      ledgerWatch.start();
    },
    async stop(): Promise<void> {
      lag.stop();
      await Promise.all([keySpend.stop(), ledgerWatch.stop()]);
    },
  };
}

export type Billing = ReturnType<typeof createBilling>;

class BillingLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(private readonly billing: Billing) {}

  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.billing.start();
    } catch (error) {
      // A start that failed because the database went away begins again: nothing of this one may go on, or hold a connection, beside it.
      await this.billing.stop();
      throw error;
    }
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.billing.stop();
  }
}

@Module({})
export class BillingModule {
  static register(context: BillingContext): DynamicModule {
    const billing = createBilling(context);
    return {
      module: BillingModule,
      providers: [
        { provide: KeyPort.token, useValue: billing.keys },
        { provide: AccountPort.token, useValue: billing.accounts },
        { provide: LeasePort.token, useValue: billing.leases },
        { provide: LedgerPort.token, useValue: billing.ledger },
        { provide: READINESS_CHECKS, useValue: [signalCheck(billing.listener)] satisfies ReadinessCheck[] },
        { provide: BillingLifecycle, useValue: new BillingLifecycle(billing) },
      ],
      exports: [KeyPort.token, AccountPort.token, LeasePort.token, LedgerPort.token, READINESS_CHECKS],
    };
  }
}

/** Without signals other instances' changes are seen a little later, not lost. */
function signalCheck(listener: NotificationListener): ReadinessCheck {
  return {
    name: 'billing-signals',
    check: () => (listener.isListening ? { ready: true } : { ready: true, degraded: true, detail: 'not listening to other billing instances' }),
  };
}
