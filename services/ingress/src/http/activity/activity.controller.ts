import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import { activityQuerySchema, parseQuery } from '@switchyard/api';
import { publicActivityRow } from '../../core/public-generation.js';
import type { HttpRequest } from '../http-request.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `GET /activity`: day × endpoint, the last 30 completed days or one day. */
@Controller(API_PREFIXES)
export class ActivityController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('activity')
  async list(@Query() query: unknown, @Req() request: HttpRequest) {
    const { accountId } = await this.context.access.managementKey(request.headers);
    const { date, api_key_hash, user_id, group_by, workspace_id } = parseQuery(activityQuerySchema, query);
    const { rows } = await this.context.analytics.listActivity({
      accountId,
      date: date ?? '',
      keyHash: api_key_hash ?? '',
      user: user_id ?? '',
      workspaceId: workspace_id ?? '',
      groupByWorkspace: group_by === 'workspace',
    });
    return { data: rows.map(publicActivityRow) };
  }
}
