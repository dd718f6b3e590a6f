import 'reflect-metadata';
import { Module, type DynamicModule, type INestApplicationContext, type LoggerService, type OnApplicationShutdown } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NativeGrpcService } from '@switchyard/grpc';
import type { Port } from '@switchyard/proto';
import { NATIVE_GRPC_SERVICES, READINESS_CHECKS, type ReadinessCheck } from './target.js';

/**
 * Stands between the two halves of a target's shutdown. Nest runs the hooks of the root module first, so this one's turn comes after all of the
 * target's `beforeApplicationShutdown` hooks (it drained) and before its `onApplicationShutdown` hooks (it closes what others may still use).
 */
class ShutdownGate implements OnApplicationShutdown {
  readonly drained = Promise.withResolvers<void>();
  readonly release = Promise.withResolvers<void>();

  async onApplicationShutdown(): Promise<void> {
    this.drained.resolve();
    await this.release.promise;
  }
}

@Module({})
class TargetRootModule {
  static register(module: DynamicModule, gate: ShutdownGate): DynamicModule {
    return { module: TargetRootModule, imports: [module], providers: [{ provide: ShutdownGate, useValue: gate }] };
  }
}

/** One target's Nest application. */
export class TargetApplication {
  private closing: Promise<void> | undefined;

  private constructor(
    readonly name: string,
    private readonly context: INestApplicationContext,
    private readonly gate: ShutdownGate,
  ) {}

  /** Resolves when all of the module's start hooks have run. */
  static async start(name: string, module: DynamicModule, logger: LoggerService): Promise<TargetApplication> {
    const gate = new ShutdownGate();
    const context = await NestFactory.createApplicationContext(TargetRootModule.register(module, gate), { logger, abortOnError: false });
    return new TargetApplication(name, context, gate);
  }

  implementation<Shape>(port: Port<Shape>): Shape {
    return this.context.get<Shape>(port.token, { strict: false });
  }

  get<Value>(token: symbol): Value {
    return this.context.get<Value>(token, { strict: false });
  }

  get nativeGrpcServices(): readonly NativeGrpcService[] {
    return this.optional<readonly NativeGrpcService[]>(NATIVE_GRPC_SERVICES) ?? [];
  }

  get readinessChecks(): readonly ReadinessCheck[] {
    return this.optional<readonly ReadinessCheck[]>(READINESS_CHECKS) ?? [];
  }

  /** Runs the hooks that drain; resolves when nothing of the target's own is under way. */
  async drain(): Promise<void> {
    this.closing ??= this.context.close();
    await Promise.race([this.gate.drained.promise, this.closing]);
  }

  /** Runs the hooks that close. */
  async close(): Promise<void> {
    this.closing ??= this.context.close();
    this.gate.release.resolve();
    await this.closing;
  }

  private optional<Value>(token: symbol): Value | undefined {
    try {
      return this.get<Value>(token);
    } catch {
      return undefined;
    }
  }
}
