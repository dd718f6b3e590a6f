import { Controller, Get, Header, Inject, Query, Req } from '@nestjs/common';
import { modelsCountQuerySchema, modelsQuerySchema, parseQuery } from '@switchyard/api';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';
import { pathOf, type HttpRequest } from '../http-request.js';

/** `GET /models` and `GET /models/count`. */
@Controller(API_PREFIXES)
export class ModelsController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('models')
  @Header('content-type', 'application/json; charset=utf-8')
  async list(@Query() query: unknown, @Req() request: HttpRequest): Promise<string> {
    return this.context.catalogView.modelsPage(parseQuery(modelsQuerySchema, query), pathOf(request));
  }

  @Get('models/count')
  async count(@Query() query: unknown) {
    return { data: { count: await this.context.catalogView.countModels(parseQuery(modelsCountQuerySchema, query)) } };
  }
}
