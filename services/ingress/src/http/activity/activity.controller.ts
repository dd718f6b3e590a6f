import { Controller, Get, Inject, Query, Req, Res } from '@nestjs/common';
import { activityQuerySchema, parseQuery } from '@switchyard/api';
import type { FastifyReply } from 'fastify';
import { publicActivityRow } from '../../core/public-generation.js';
import { clientLeft } from '../client-left.js';
import type { HttpRequest } from '../http-request.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** Days of an account with very many end users take analytics a while. Nobody is kept longer by one that does not answer. */
const ACTIVITY_TIMEOUT_MS = 10_000;

/** `GET /activity`: day × endpoint, the last 30 completed days or one day. */
@Controller(API_PREFIXES)
export class ActivityController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('activity')
  async list(@Query() query: unknown, @Req() request: HttpRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const signal = clientLeft(reply);
    const { accountId } = await this.context.access.managementKey(request.headers);
    const { date, api_key_hash, user_id, group_by, workspace_id } = parseQuery(activityQuerySchema, query);
    const wanted = {
      accountId,
      date: date ?? '',
      keyHash: api_key_hash ?? '',
      user: user_id ?? '',
      workspaceId: workspace_id ?? '',
      groupByWorkspace: group_by === 'workspace',
    };
    const { rows } = await this.context.analytics.listActivity(wanted, { timeoutMs: ACTIVITY_TIMEOUT_MS, signal });
    return { data: rows.map(publicActivityRow) };
  }
}
