import { Controller, Get, Inject, Query, Req, Res } from '@nestjs/common';
import { logsQuerySchema, parseQuery, timeOf } from '@switchyard/api';
import { billing } from '@switchyard/proto';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { generationsCsv } from '../../core/generation-csv.js';
import { publicGeneration } from '../../core/public-generation.js';
import type { HttpRequest } from '../http-request.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

const PAGE = 50;

/** `GET /logs`: every request of the account, newest first, as JSON or CSV. An inference key sees its own requests only. */
@Controller(API_PREFIXES)
export class LogsController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('logs')
  async list(@Query() query: unknown, @Req() request: HttpRequest, @Res() reply: FastifyReply): Promise<void> {
    const key = await this.context.access.anyKey(request.headers);
    const filter = parseQuery(logsQuerySchema, query);
    const { generations, nextCursor } = await this.context.analytics.listGenerations(toRequest(filter, key));
    const rows = generations.map(publicGeneration);
    if (wantsCsv(filter.format, request.headers['accept'])) {
      await reply
        .header('content-type', 'text/csv; charset=utf-8')
        .header('content-disposition', 'attachment; filename="logs.csv"')
        .headers(nextCursor === '' ? {} : { 'x-next-cursor': nextCursor })
        .send(generationsCsv(rows));
      return;
    }
    await reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify({ data: rows, next_cursor: nextCursor || null }));
  }
}

function toRequest(filter: z.output<typeof logsQuerySchema>, key: billing.Key) {
  return {
    accountId: key.accountId,
    keyHash: key.kind === billing.KeyKind.MANAGEMENT ? (filter.key ?? '') : key.hash,
    model: filter.model ?? '',
    providerSlug: filter.provider ?? '',
    app: filter.app ?? '',
    user: filter.user ?? '',
    status: filter.status ?? '',
    startTimeMs: instantOf(filter.start),
    endTimeMs: instantOf(filter.end),
    cursor: filter.cursor ?? '',
    limit: filter.limit ?? PAGE,
    sessionId: filter.session_id ?? '',
  };
}

function instantOf(text: string | undefined): bigint | undefined {
  const timeMs = text === undefined ? undefined : timeOf(text);
  return timeMs === undefined ? undefined : BigInt(timeMs);
}

function wantsCsv(format: 'json' | 'csv' | undefined, accept: string | string[] | undefined): boolean {
  if (format !== undefined) return format === 'csv';
  return /^text\/csv\b/i.test(String(accept ?? ''));
}
