import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { loadConfig, type Environment } from '@switchyard/config';
import type { EventLog } from '@switchyard/events';
import type { Port } from '@switchyard/proto';
import { PlatformResources, platformConfig, type Target, type TargetContext } from '@switchyard/runtime';
import { captureLogger, startTestPostgres, type TestPostgres } from '@switchyard/testing';
import type { Pool } from 'pg';

export interface ServedTargetOptions {
  readonly environment?: Environment;
  /** What stands in for the ports of other targets, by name. */
  readonly neighbours?: Readonly<Record<string, unknown>>;
}

/** One target with everything it is made of, over a database and an event log of its own; who calls it decides the binding. */
export class ServedTarget {
  private constructor(
    private readonly target: Target,
    private readonly application: INestApplicationContext,
    private readonly resources: PlatformResources,
    private readonly postgres: TestPostgres,
    private readonly folder: string,
  ) {}

  static async start(target: Target, { environment = {}, neighbours = {} }: ServedTargetOptions = {}): Promise<ServedTarget> {
    const postgres = await startTestPostgres();
    const folder = await mkdtemp(join(tmpdir(), `contract-${target.name}-`));
    const platform = { SWITCHYARD_DATABASE_URL: postgres.url, SWITCHYARD_DATA_DIR: folder };
    const resources = new PlatformResources(loadConfig(platformConfig, platform), captureLogger());
    await resources.migrate(target.schema ? [target.schema] : []);
    const { clock, random, logger, metrics, instanceId, eventLog } = resources;
    const context: TargetContext<object> = {
      config: loadConfig(target.config, environment),
      clock,
      random,
      logger,
      metrics,
      instanceId,
      eventLog,
      dataDirectory: resources.directory(target.name),
      pool: () => resources.pool(target.name, target.schema),
      port: <Shape>(port: Port<Shape>) => neighbours[port.name] as Shape,
      callTracer: () => undefined,
      attemptTransport: () => {
        throw new Error('Nothing here runs attempts.');
      },
      shutdownSignal: new AbortController().signal,
      readiness: () => ({ ready: true, degraded: false, checks: {} }),
    };
    const application = await NestFactory.createApplicationContext(target.module(context), { logger: false, abortOnError: false });
    return new ServedTarget(target, application, resources, postgres, folder);
  }

  get eventLog(): EventLog {
    return this.resources.eventLog;
  }

  /** Connections to the target's own schema. */
  get pool(): Pool {
    return this.resources.pool(this.target.name, this.target.schema);
  }

  /** What the target serves the port with. */
  implementation<Shape>(port: Port<Shape>): Shape {
    return this.application.get<Shape>(port.token);
  }

  async close(): Promise<void> {
    await this.application.close();
    await this.resources.close();
    await this.postgres.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
