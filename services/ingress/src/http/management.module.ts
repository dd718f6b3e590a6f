import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { ActivityController } from './activity/activity.controller.js';
import { CreditsController } from './credits/credits.controller.js';
import { EndpointsController } from './endpoints/endpoints.controller.js';
import { FinanceController } from './finance/finance.controller.js';
import { GenerationController } from './generation/generation.controller.js';
import { HealthController } from './health/health.controller.js';
import { KeyController } from './key/key.controller.js';
import { KeysController } from './keys/keys.controller.js';
import { LogsController } from './logs/logs.controller.js';
import { MANAGEMENT_CONTEXT, managementContext, type ManagementOptions } from './management-context.js';
import { ManagementErrorFilter } from './management-error.filter.js';
import { ModelController } from './model/model.controller.js';
import { ModelsController } from './models/models.controller.js';
import { OpenapiController } from './openapi/openapi.controller.js';
import { ProvidersController } from './providers/providers.controller.js';
import { RoutingController } from './routing/routing.controller.js';

/** Every route that is not inference itself. */
@Module({})
export class ManagementModule {
  static register(options: ManagementOptions): DynamicModule {
    return {
      module: ManagementModule,
      controllers: [
        ActivityController,
        CreditsController,
        EndpointsController,
        FinanceController,
        GenerationController,
        HealthController,
        KeyController,
        KeysController,
        LogsController,
        ModelController,
        ModelsController,
        OpenapiController,
        ProvidersController,
        RoutingController,
      ],
      providers: [
        { provide: MANAGEMENT_CONTEXT, useValue: managementContext(options) },
        { provide: APP_FILTER, useClass: ManagementErrorFilter },
      ],
    };
  }
}

/**
 * Bodies reach the routes unread, whatever their Content-Type, so that `curl -d` works as it stands and nobody without a key has the
 * gateway hold bytes. The application has to be created without body parsers of its own.
 */
export function prepareManagement(adapter: FastifyAdapter): void {
  const fastify = adapter.getInstance();
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  // One that is empty or no media type would be refused before any parser is asked.
  fastify.addHook('onRequest', (request, _reply, done) => {
    delete request.raw.headers['content-type'];
    done();
  });
}
