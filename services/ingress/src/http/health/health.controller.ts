import { Readable } from 'node:stream';
import { Controller, Get, Headers, Inject, Res } from '@nestjs/common';
import { exposeMetrics } from '@switchyard/telemetry';
import type { FastifyReply } from 'fastify';
import { MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `/healthz`: the process lives. `/readyz`: it can serve, and what is the matter otherwise. `/metrics`: OpenMetrics or Prometheus text. */
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
  async metrics(@Headers('accept') accept: string | undefined, @Res() reply: FastifyReply): Promise<void> {
    const { contentType, pieces } = exposeMetrics(this.context.metrics, accept);
    await reply.header('content-type', contentType).header('cache-control', 'no-store').send(Readable.from(pieces));
  }
}
