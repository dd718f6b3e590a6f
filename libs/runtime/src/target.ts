import type { ConfigDefinition, ConfigOf, ConfigProblem } from '@switchyard/config';
import type { Clock, RandomSource } from '@switchyard/core';
import type { DatabaseSchema } from '@switchyard/db';
import type { EventLog } from '@switchyard/events';
import type { AttemptTransport } from '@switchyard/grpc';
import type { Port } from '@switchyard/proto';
import type { CallTracer, Logger, Metrics, Tracer } from '@switchyard/telemetry';
import type { DynamicModule } from '@nestjs/common';
import type { Pool } from 'pg';

/** In the order in which they start; they stop in the opposite one. */
export const TARGET_NAMES = ['worker', 'billing', 'analytics', 'router', 'ingress'] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

/** What the platform gives a target. Everything is built when it is first asked for, so a target pays for what it uses. */
export interface TargetContext<Config> {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Undefined where nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** A folder of this target's own, created when it is asked for: who keeps nothing on disk needs none that can be written. */
  readonly dataDirectory: string;
  /** Host name and process, stable while the process lives. */
  readonly instanceId: string;
  /** Connections whose search_path is the target's own schema. */
  pool(): Pool;
  readonly eventLog: EventLog;
  /** The port's implementation in this process when its target runs here, else a gRPC client. Must be in `requires`. */
  port<Shape>(port: Port<Shape>): Shape;
  /** For a target that traces its calls to the port, which it does itself: it knows what waits for them. Undefined where nothing is traced. */
  callTracer(port: Port<unknown>): CallTracer | undefined;
  /** How attempts reach a worker (`requiresAttempts`): its runner in this process, else sessions over gRPC. */
  attemptTransport(): AttemptTransport;
  /** Aborts when the process begins to drain, before anything is stopped: from then on it is not ready. */
  readonly shutdownSignal: AbortSignal;
  /** Readiness of the whole process, for a target that serves its own `/readyz`. */
  readiness(): ReadinessReport;
}

export interface TargetManifest<Definition extends ConfigDefinition<object> = ConfigDefinition<object>> {
  readonly name: TargetName;
  readonly config: Definition;
  /** What its settings contradict each other in, which no field sees alone. */
  readonly problems?: ((config: ConfigOf<Definition>) => readonly ConfigProblem[]) | undefined;
  /** Its Postgres schema and migrations; undefined when it owns none. */
  readonly schema?: DatabaseSchema | undefined;
  /** The module has one provider per port, under `port.token`. */
  readonly provides: readonly Port<unknown>[];
  readonly requires: readonly Port<unknown>[];
  /** Whether it runs attempts (`context.attemptTransport()`), for which it needs workers. */
  readonly requiresAttempts?: boolean | undefined;
  /** Whether it writes or reads events (`context.eventLog`), for which it needs Kafka or the database. */
  readonly requiresEventLog?: boolean | undefined;
  /** Nest lifecycle hooks start and stop what the module holds. */
  module(context: TargetContext<ConfigOf<Definition>>): DynamicModule;
}

/** A target whose config type is no longer of interest: what the list of targets holds. */
export type Target = TargetManifest;

export function defineTarget<Definition extends ConfigDefinition<object>>(manifest: TargetManifest<Definition>): Target {
  return manifest as unknown as Target;
}

/** Token for `ReadinessCheck[]` of a module. */
export const READINESS_CHECKS = Symbol.for('switchyard.readiness-checks');

/** Token under which the worker's module provides its `AttemptTransport`. */
export const ATTEMPT_TRANSPORT = Symbol.for('switchyard.attempt-transport');

/** Token for `NativeGrpcService[]` (libs/grpc) of a module: services that handle raw gRPC calls, such as the worker's sessions. */
export const NATIVE_GRPC_SERVICES = Symbol.for('switchyard.native-grpc-services');

export interface ReadinessCheck {
  readonly name: string;
  check(): ReadinessState;
}

export interface ReadinessState {
  readonly ready: boolean;
  /** Works, but somebody should look. */
  readonly degraded?: boolean;
  readonly detail?: string;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly degraded: boolean;
  readonly checks: Readonly<Record<string, ReadinessState>>;
}
