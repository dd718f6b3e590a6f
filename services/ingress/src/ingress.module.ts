import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { RequestLimits } from '@switchyard/api';
import { openSpool, registerSpoolMetrics, type Spool } from '@switchyard/events';
import { AccountPort, AnalyticsPort, CatalogPort, KeyPort, LeasePort, LedgerPort, RouterPort } from '@switchyard/proto';
import { CircuitBreakers, type DeadlineSettings } from '@switchyard/routing';
import { READINESS_CHECKS, type TargetContext } from '@switchyard/runtime';
import type { Authenticator } from './auth/authenticator.js';
import { KeyAuthenticator } from './auth/key-authenticator.js';
import { KeyCache } from './auth/key-cache.js';
import { FailureLog } from './failure-log.js';
import { GenerationJournal, ingressSpoolRecovery } from './generation-journal.js';
import { GenerationMetrics } from './generation-metrics.js';
import { chatCompletionsRoute } from './http/chat-completions/chat-completions.route.js';
import { completionsRoute } from './http/completions/completions.route.js';
import { embeddingsRoute } from './http/embeddings/embeddings.route.js';
import { HttpServer } from './http/http-server.js';
import { InferenceServer } from './http/inference-server.js';
import { HttpMetrics } from './http/http-metrics.js';
import { KeepAlive } from './http/keep-alive.js';
import { ManagementBodies } from './http/management-bodies.js';
import { ManagementModule, prepareManagement } from './http/management.module.js';
import { BodyMemory, type BodyLimits } from './http/read-body.js';
import type { IngressConfig } from './ingress.config.js';
import { ingressReadiness } from './ingress-readiness.js';
import { registerIngressState } from './ingress-state-metrics.js';
import { RoutingTableFeed } from './routing-table.feed.js';
import type { Gateway } from './run-generation.js';
import { AttemptReserver } from './wallet/attempt-reserver.js';
import { HolderWatch } from './wallet/holder-watch.js';
import { ThreadedTokenCounter } from './wallet/prompt-token-counter.js';
import { QuotaKeeper } from './wallet/quota-keeper.js';
import { LeaseCalls } from './wallet/lease-calls.js';
import { Wallet } from './wallet/wallet.js';

type Context = TargetContext<IngressConfig>;

const PROGRAM = createRequire(import.meta.url)('../package.json') as { readonly version: string };

/** Every process is a new holder of leases, so its epoch never changes. */
const EPOCH = 1n;
const HEARTBEAT_TIMEOUT_MS = 2_000;
const RECONNECT_DELAY_MS = 250;
const MAX_KEY_LOOKUPS = 16;
/** After a gap in the watch all keys in use are asked for anew: as many as an ingress runs requests by default. */
const MAX_WAITING_KEY_LOOKUPS = 4_096;
/** As long as one lookup may take. */
const MAX_KEY_LOOKUP_WAIT_MS = 5_000;

/** The parts that live as long as the process, in the order of their starting. */
interface IngressParts {
  readonly spool: Spool;
  readonly keys: KeyCache;
  readonly wallet: Wallet;
  readonly holder: HolderWatch;
  readonly feed: RoutingTableFeed;
  readonly keepAlive: KeepAlive;
  readonly tokenCounter: ThreadedTokenCounter;
  readonly inference: InferenceServer;
  readonly http: HttpServer;
}

/** Starts what runs by itself, and stops it so that no open answer is cut and nothing in the spool is lost. */
class IngressLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private parts: IngressParts | undefined;

  constructor(private readonly context: Context) {}

  get running(): IngressParts | undefined {
    return this.parts;
  }

  async onApplicationBootstrap(): Promise<void> {
    const parts = await compose(this.context);
    this.parts = parts;
    parts.keys.start();
    parts.holder.start();
    parts.wallet.start();
    await parts.feed.start(this.context.shutdownSignal);
    parts.keepAlive.start();
    await parts.http.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    const { parts } = this;
    if (!parts) return;
    parts.http.stopAccepting();
    const idle = Promise.all([parts.inference.idle(), parts.http.idle()]);
    await Promise.race([idle, timeout(this.context.config.drainTimeoutMs)]);
    await parts.wallet.close();
    const { unpublishedCount } = await parts.spool.close({ drainWithinMs: this.context.config.spoolDrainMs });
    if (unpublishedCount > 0) this.context.logger.warn('Events are left in the spool for the next process', { count: unpublishedCount });
  }

  async onApplicationShutdown(): Promise<void> {
    const { parts } = this;
    if (!parts) return;
    await parts.http.close();
    parts.keepAlive.close();
    parts.feed.close();
    parts.holder.close();
    parts.keys.close();
    await parts.tokenCounter.close();
  }
}

@Module({})
export class IngressModule {
  static register(context: Context): DynamicModule {
    const lifecycle = new IngressLifecycle(context);
    return {
      module: IngressModule,
      providers: [
        { provide: IngressLifecycle, useValue: lifecycle },
        { provide: READINESS_CHECKS, useValue: ingressReadiness(() => lifecycle.running) },
      ],
      exports: [READINESS_CHECKS],
    };
  }
}

async function compose(context: Context): Promise<IngressParts> {
  const { clock, logger, config } = context;
  const holderId = randomUUID();
  const spool = await openIngressSpool(context, holderId);
  registerSpoolMetrics(context.metrics, spool, 'ingress');
  const keys = keyCache(context);
  const { leaseCalls, wallet, holder } = leaseHolder(context, holderId);
  const breakers = new CircuitBreakers();
  const feed = new RoutingTableFeed({
    port: context.port(RouterPort),
    subscriberId: context.instanceId,
    logger,
    clock,
    calls: context.callTracer(RouterPort),
    // Endpoints that left the table leave their breakers behind.
    onTable: (table) => breakers.retain(table.endpoints),
  });
  const keepAlive = new KeepAlive(config.keepAliveCommentMs);
  const tokenCounter = new ThreadedTokenCounter();
  const gateway: Gateway = {
    clock,
    billingNowMs: () => holder.billingNowMs(),
    random: context.random,
    logger,
    table: () => feed.table(),
    tablePush: () => feed.push,
    breakers,
    transport: context.attemptTransport(),
    quotas: new QuotaKeeper(wallet, clock, { earlyAbortsPerMinute: config.earlyAbortsPerMinute }),
    reserver: new AttemptReserver(wallet, tokenCounter, { defaultOutputTokens: config.defaultOutputTokens, minOutputTokens: config.minOutputTokens }),
    journal: new GenerationJournal(spool, clock, context.random, `ingress/${context.instanceId}`),
    metrics: new GenerationMetrics(context.metrics, (slug) => (feed.hasTable ? feed.table().providers.get(slug)?.otelProviderName : undefined) ?? slug),
    tracer: context.tracer,
    failures: new FailureLog(logger, clock),
    deadlines: deadlinesOf(config),
  };
  const authenticator = new KeyAuthenticator(keys, () => holder.billingNowMs());
  const httpMetrics = new HttpMetrics(context.metrics);
  const bodyMemory = new BodyMemory(config.maxHeldBodyBytes);
  const inference = inferenceServer(context, gateway, authenticator, keepAlive, httpMetrics, bodyMemory);
  const management = managementModule(context, authenticator, gateway, bodyMemory);
  const http = new HttpServer(inference, management, (adapter) => (httpMetrics.observe(adapter), prepareManagement(adapter)), {
    host: config.httpHost,
    port: config.httpPort,
    maxHeaderBytes: config.maxHeaderBytes,
    requestTimeoutMs: config.requestTimeoutMs,
    corsOrigins: config.corsOrigins,
    drainSignal: context.shutdownSignal,
  });
  registerIngressState(context.metrics, { clock, inference, keepAlive, keys, holder, feed, breakers, wallet, leaseCalls });
  return { spool, keys, wallet, holder, feed, keepAlive, tokenCounter, inference, http };
}

function keyCache(context: Context): KeyCache {
  const { clock, logger, config } = context;
  const options = {
    keyGraceMs: config.keyGraceMs,
    maxKeys: config.keyCacheSize,
    unknownForMs: 5_000,
    heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
    reconnectDelayMs: RECONNECT_DELAY_MS,
    maxLookups: MAX_KEY_LOOKUPS,
    maxWaitingLookups: MAX_WAITING_KEY_LOOKUPS,
    maxLookupWaitMs: MAX_KEY_LOOKUP_WAIT_MS,
  };
  return new KeyCache(context.port(KeyPort), clock, logger, options, context.callTracer(KeyPort));
}

/** What spends from leases, and what keeps their holder known to billing. */
function leaseHolder(context: Context, holderId: string): { leaseCalls: LeaseCalls; wallet: Wallet; holder: HolderWatch } {
  const { clock, logger, config } = context;
  const leasePort = context.port(LeasePort);
  const callOptions = { holderId, epoch: EPOCH, acquireTimeoutMs: config.leaseAcquireTimeoutMs };
  const leaseCalls = new LeaseCalls(leasePort, logger, callOptions, context.callTracer(LeasePort));
  const wallet = new Wallet(leaseCalls, clock, logger, { maxWaiters: config.leaseMaxWaiters, sweepIntervalMs: 250 });
  const holder = new HolderWatch(leasePort, wallet, clock, logger, {
    holderId,
    epoch: EPOCH,
    reconnectDelayMs: RECONNECT_DELAY_MS,
    heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
    maxClockSkewMs: config.maxClockSkewMs,
  });
  return { leaseCalls, wallet, holder };
}

function openIngressSpool(context: Context, holderId: string): Promise<Spool> {
  const { clock, logger, config } = context;
  const leasePort = context.port(LeasePort);
  return openSpool({
    folder: join(context.dataDirectory, 'spool', holderId),
    eventLog: context.eventLog,
    recovery: ingressSpoolRecovery,
    owner: {
      id: holderId,
      // All that a holder spent is published, so billing may return what it still holds.
      onPublished: async (owner) => void (await leasePort.closeEpoch({ holderId: owner, epoch: EPOCH })),
    },
    clock,
    logger,
    maxBytes: config.spoolMaxBytes,
  });
}

function inferenceServer(
  context: Context,
  gateway: Gateway,
  authenticator: Authenticator,
  keepAlive: KeepAlive,
  httpMetrics: HttpMetrics,
  bodyMemory: BodyMemory,
): InferenceServer {
  const { clock, logger, config } = context;
  return new InferenceServer([chatCompletionsRoute, completionsRoute, embeddingsRoute], gateway, authenticator, keepAlive, clock, logger, httpMetrics, {
    body: bodyLimits(config),
    bodyMemory,
    maxConcurrentGenerations: config.maxConcurrentGenerations,
    limits: requestLimits(config),
  });
}

function managementModule(context: Context, authenticator: Authenticator, gateway: Gateway, bodyMemory: BodyMemory): DynamicModule {
  const { clock, logger, config } = context;
  return ManagementModule.register({
    authenticator,
    keys: context.port(KeyPort),
    accounts: context.port(AccountPort),
    ledger: context.port(LedgerPort),
    analytics: context.port(AnalyticsPort),
    router: context.port(RouterPort),
    catalog: context.port(CatalogPort),
    breakers: gateway.breakers,
    deadlines: gateway.deadlines,
    billingNowMs: () => gateway.billingNowMs(),
    readiness: () => context.readiness(),
    metrics: context.metrics,
    logger,
    clock,
    limits: requestLimits(config),
    bodies: new ManagementBodies(bodyLimits(config), bodyMemory),
    version: PROGRAM.version,
  });
}

function bodyLimits({ maxBodyBytes, minUploadBytesPerSecond }: IngressConfig): BodyLimits {
  return { maxBytes: maxBodyBytes, minBytesPerSecond: minUploadBytesPerSecond };
}

function requestLimits({ maxNestingDepth, maxMessageCount, maxToolCount, maxContentPartCount }: IngressConfig): RequestLimits {
  return { maxNestingDepth, maxMessageCount, maxToolCount, maxContentPartCount };
}

function deadlinesOf(config: IngressConfig): Partial<DeadlineSettings> {
  return {
    connectMs: config.attemptConnectMs,
    firstTokenUnknownMs: config.attemptFirstTokenMs,
    firstTokenMinMs: config.attemptFirstTokenLeastMs,
    firstTokenMaxMs: config.attemptFirstTokenMs,
    betweenChunksMs: config.attemptBetweenChunksMs,
    totalMs: config.attemptTotalMs,
  };
}

function timeout(afterMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, afterMs).unref());
}
