import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { AnalyticsPort, CatalogPort, CredentialPort, RouterPort } from '@switchyard/proto';
import { READINESS_CHECKS, type ReadinessCheck, type TargetContext } from '@switchyard/runtime';
import { CatalogService } from './catalog.service.js';
import { CatalogStore } from './catalog.store.js';
import { CatalogFileReader } from './catalog/catalog-file.reader.js';
import { CatalogImporter } from './catalog/catalog-importer.js';
import { CredentialWatch } from './credential-watch.js';
import type { RouterConfig } from './router.config.js';
import { registerTableMetrics } from './router-metrics.js';
import { RouterService } from './router.service.js';
import { StatisticsWatch } from './statistics-watch.js';
import { TablePublisher } from './table-publisher.js';

const STATISTICS_RECONNECT_MS = 500;
/** Nobody is served before the worker's first answer, and where all services start at once it may come a moment later. */
const FIRST_CREDENTIALS_RETRY_MS = 250;
/** As long as the counters of recent failures reach back. */
const STATISTICS_LOST_MS = 30_000;

/** Starts the catalogue first, then what keeps it current; the table is complete before anybody is served. */
class RouterLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly importer: CatalogImporter,
    private readonly credentials: CredentialWatch,
    private readonly statistics: StatisticsWatch,
    private readonly publisher: TablePublisher,
    private readonly config: RouterConfig,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.importer.start();
    await this.credentials.check();
    this.publisher.start();
    this.statistics.start();
    this.every(FIRST_CREDENTIALS_RETRY_MS, async () => (this.publisher.table.version === 0n ? this.credentials.check() : undefined));
    this.every(this.config.credentialCheckMs, () => this.credentials.check());
    this.every(this.config.catalogReloadMs, () => this.importer.reload());
  }

  async beforeApplicationShutdown(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.statistics.stop();
    this.publisher.stop();
  }

  /** One run at a time; both works report their own failures. */
  private every(intervalMs: number, work: () => Promise<void>): void {
    let isRunning = false;
    const timer = setInterval(() => {
      if (isRunning) return;
      isRunning = true;
      void work().finally(() => (isRunning = false));
    }, intervalMs);
    timer.unref();
    this.timers.push(timer);
  }
}

@Module({})
export class RouterModule {
  static register(context: TargetContext<RouterConfig>): DynamicModule {
    const { config, clock, random, logger, metrics } = context;
    const publisher = new TablePublisher({ clock, heartbeatMs: config.tableHeartbeatMs, maxQueuedMessages: config.tableQueueSize });
    const importer = new CatalogImporter({
      store: new CatalogStore(context.pool()),
      clock,
      logger,
      file: config.catalogFile === undefined ? undefined : new CatalogFileReader(config.catalogFile),
      onCatalog: (state) => publisher.setCatalog(state),
    });
    const credentials = new CredentialWatch({
      port: context.port(CredentialPort),
      logger,
      providerSlugs: () => publisher.providerSlugs,
      onCredentials: (slugs) => publisher.setCredentialedProviders(slugs),
    });
    const statistics = new StatisticsWatch({
      port: context.port(AnalyticsPort),
      logger,
      reconnectMs: STATISTICS_RECONNECT_MS,
      lostAfterMs: STATISTICS_LOST_MS,
      onStatistics: (entries) => publisher.setStatistics(entries),
      onLost: () => publisher.forgetRecentFailures(),
    });
    registerTableMetrics(metrics, publisher);
    return {
      module: RouterModule,
      providers: [
        { provide: RouterPort.token, useValue: new RouterService(publisher, clock, random) },
        { provide: CatalogPort.token, useValue: new CatalogService(publisher, clock) },
        { provide: READINESS_CHECKS, useValue: [tableCheck(publisher)] satisfies ReadinessCheck[] },
        { provide: RouterLifecycle, useValue: new RouterLifecycle(importer, credentials, statistics, publisher, config) },
      ],
      exports: [RouterPort.token, CatalogPort.token, READINESS_CHECKS],
    };
  }
}

function tableCheck(publisher: TablePublisher): ReadinessCheck {
  return {
    name: 'catalogue',
    check: () => (publisher.table.version > 0n ? { ready: true } : { ready: false, detail: 'not imported, or the worker was not heard yet' }),
  };
}
