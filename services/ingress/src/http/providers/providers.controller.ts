import { Controller, Get, Inject } from '@nestjs/common';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `GET /providers`. */
@Controller(API_PREFIXES)
export class ProvidersController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('providers')
  async list() {
    return { data: await this.context.catalogView.providers() };
  }
}
