import { join } from 'node:path';
import { processEnvironment } from '@switchyard/config';
import { clientDialects } from '@switchyard/dialects';
import { createExchange } from '@switchyard/dialects/provider';
import { openSpool, registerSpoolMetrics, type Spool, type SpoolRecovery } from '@switchyard/events';
import { SessionServer } from '@switchyard/grpc';
import type { worker } from '@switchyard/proto';
import type { TargetContext } from '@switchyard/runtime';
import { parseTraceparent } from '@switchyard/telemetry';
import { AttemptReporter } from './attempt-reporter.js';
import { AttemptRunner } from './attempt-runner.js';
import { CallHeaders } from './call-headers.js';
import { clientDialectOf, identityOf } from './core/exchange-input.js';
import { CredentialStore } from './credential.store.js';
import { EgressGuard } from './egress-guard.js';
import { MediaFetcher } from './media-fetcher.js';
import { ProviderAccessBook } from './provider-access.js';
import { UpstreamHttp } from './upstream-http.js';
import { WorkerMetrics } from './worker-metrics.js';
import { providerEnvironment, type WorkerConfig } from './worker.config.js';

/** Everything a worker holds while it runs. */
export interface WorkerParts {
  readonly runner: AttemptRunner;
  readonly sessions: SessionServer;
  readonly providers: ProviderAccessBook;
  readonly spool: Spool;
  close(): Promise<void>;
}

/** At most this many URLs of one request are downloaded. */
const MAX_MEDIA_URLS = 32;
const SPOOL_DRAIN_MS = 10_000;

/** The worker's spool holds attempts alone, which need nothing after a crash: they are published as they are. */
const NOTHING_TO_RECOVER: SpoolRecovery = { endAbandoned: () => [], flagUnconfirmed: (event) => event };

export async function openWorkerParts(context: TargetContext<WorkerConfig>): Promise<WorkerParts> {
  const { config, clock, random, logger, instanceId } = context;
  const environment = providerEnvironment(config, processEnvironment());
  const credentials = new CredentialStore({ environment, folder: config.credentialsFolder, reloadIntervalMs: config.credentialsReloadMs, logger });
  await credentials.open();
  const spool = await openSpool({
    folder: join(context.dataDirectory, 'spool', instanceId.replace(/[^\w.-]/g, '_')),
    eventLog: context.eventLog,
    recovery: NOTHING_TO_RECOVER,
    clock,
    logger,
    maxBytes: config.spoolMaxBytes,
  });
  registerSpoolMetrics(context.metrics, spool, 'worker');
  const providers = new ProviderAccessBook({ credentials, environment, credentialHosts: config.credentialHosts });
  const upstream = new UpstreamHttp({ connectTimeoutMs: config.connectTimeoutMs, keepAliveMs: config.keepAliveMs });
  const guard = new EgressGuard({ allowCidrs: config.egressAllowCidrs });
  const media = new MediaFetcher({
    guard,
    maxBytes: config.mediaMaxBytes,
    maxHeldBytes: config.mediaMaxHeldBytes,
    timeoutMs: config.mediaTimeoutMs,
    maxUrls: MAX_MEDIA_URLS,
  });
  const reporter = new AttemptReporter({ spool, clock, random, instanceId });
  const runner: AttemptRunner = new AttemptRunner(
    {
      clock,
      createExchange,
      providers,
      upstream,
      media,
      maxAnswerBytes: config.maxAnswerBytes,
      callHeaders: new CallHeaders('switchyard'),
      renderDebugChunk,
      tracer: context.tracer,
      onCompleted: (start, result) => {
        const event = reporter.report(start, result);
        metrics.observe(start, result, event.costPico);
        return event;
      },
      onUnexpected: (start, error) =>
        logger.error('an attempt failed in an unforeseen way', {
          error,
          traceId: parseTraceparent(start.traceparent)?.traceId,
          generationId: start.generationId,
          attemptIndex: start.attemptIndex,
        }),
    },
    { maxConcurrentAttempts: config.maxConcurrentAttempts, maxHeldBodyBytes: config.maxHeldBodyBytes },
  );
  const sessions = new SessionServer({ transport: runner, logger, tracer: context.tracer });
  const metrics = new WorkerMetrics(
    context.metrics,
    () => runner.runningCount,
    () => sessions.openSessions,
  );
  return {
    runner,
    sessions,
    providers,
    spool,
    close: async () => {
      credentials.close();
      sessions.close();
      await Promise.all([upstream.close(), media.close()]);
      await spool.close({ drainWithinMs: SPOOL_DRAIN_MS });
    },
  };
}

function renderDebugChunk(start: worker.StartFrame, upstreamBody: string): string {
  return clientDialects[clientDialectOf(start)].renderDebugChunk(upstreamBody, identityOf(start));
}
