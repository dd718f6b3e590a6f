import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import { generationQuerySchema, parseQuery } from '@switchyard/api';
import { SwitchyardError } from '@switchyard/errors';
import { publicGeneration } from '../../core/public-generation.js';
import type { HttpRequest } from '../http-request.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `GET /generation?id=`: 404 until the usage event was consumed; clients poll. */
@Controller(API_PREFIXES)
export class GenerationController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('generation')
  async get(@Query() query: unknown, @Req() request: HttpRequest) {
    const key = await this.context.access.anyKey(request.headers);
    const { id } = parseQuery(generationQuerySchema, query);
    const { generation } = await this.context.analytics.getGeneration({ accountId: key.accountId, generationId: id });
    if (!generation) throw new SwitchyardError('not_found', `Generation ${id} not found`);
    return { data: publicGeneration(generation) };
  }
}
