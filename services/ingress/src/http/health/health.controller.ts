import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `/healthz`: the process lives. `/readyz`: it can serve, and what is the matter otherwise. `/metrics`: Prometheus text. */
@Controller()
export class HealthController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('healthz')
  live() {
    return { status: 'ok' };
  }

  @Get('readyz')
  async ready(@Res() reply: FastifyReply): Promise<void> {
    const report = this.context.readiness();
    await reply
      .status(report.ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(report);
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  metrics(): string {
    return this.context.metrics.render();
  }
}
