import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { CredentialPort } from '@switchyard/proto';
import { ATTEMPT_TRANSPORT, NATIVE_GRPC_SERVICES, READINESS_CHECKS, type ReadinessCheck, type TargetContext } from '@switchyard/runtime';
import { CredentialService } from './credential.service.js';
import { openWorkerParts, type WorkerParts } from './worker-parts.js';
import type { WorkerConfig } from './worker.config.js';

const WORKER_PARTS = Symbol.for('switchyard.worker.parts');

/** How long cancelled attempts may take to say what they used. */
const CANCEL_WAIT_MS = 2_000;
/** How long ingresses may take to hear that the worker drains. Those without attempts then hang up. */
const HANG_UP_WAIT_MS = 1_000;

/** Sends no ingress away while its attempts run; cancels what is left when the time is over. */
class WorkerLifecycle implements BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(
    private readonly parts: WorkerParts,
    private readonly context: TargetContext<WorkerConfig>,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    const { runner, sessions } = this.parts;
    sessions.drain();
    await sessions.left(HANG_UP_WAIT_MS);
    await runner.idle(this.context.config.drainTimeoutMs, this.context.clock);
    if (runner.runningCount === 0) return;
    this.context.logger.warn('attempts are cancelled: the time to drain is over', { count: runner.runningCount });
    runner.cancelAll('the worker is stopping');
    await runner.idle(CANCEL_WAIT_MS, this.context.clock);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.parts.close();
  }
}

@Module({})
export class WorkerModule {
  static register(context: TargetContext<WorkerConfig>): DynamicModule {
    return {
      module: WorkerModule,
      providers: [
        { provide: WORKER_PARTS, useFactory: () => openWorkerParts(context) },
        { provide: WorkerLifecycle, useFactory: (parts: WorkerParts) => new WorkerLifecycle(parts, context), inject: [WORKER_PARTS] },
        { provide: CredentialPort.token, useFactory: ({ providers }: WorkerParts) => new CredentialService(providers), inject: [WORKER_PARTS] },
        { provide: ATTEMPT_TRANSPORT, useFactory: ({ runner }: WorkerParts) => runner, inject: [WORKER_PARTS] },
        { provide: NATIVE_GRPC_SERVICES, useFactory: ({ sessions }: WorkerParts) => [sessions.nativeGrpcService()], inject: [WORKER_PARTS] },
        { provide: READINESS_CHECKS, useFactory: readinessChecks, inject: [WORKER_PARTS] },
      ],
      exports: [CredentialPort.token, ATTEMPT_TRANSPORT, NATIVE_GRPC_SERVICES, READINESS_CHECKS],
    };
  }
}

/** A full spool degrades and does not stop: attempts that were asked for must still run, and their costs are kept by the ingress too. */
function readinessChecks({ spool }: WorkerParts): ReadinessCheck[] {
  return [
    {
      name: 'attempt-spool',
      check: () => {
        const { usedShare, isWritable } = spool.state();
        if (!isWritable) return { ready: true, degraded: true, detail: 'the disk refuses writes' };
        return usedShare >= 0.8 ? { ready: true, degraded: true, detail: `${Math.round(usedShare * 100)} % of the spool is in use` } : { ready: true };
      },
    },
  ];
}
