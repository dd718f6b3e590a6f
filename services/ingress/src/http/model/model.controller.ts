import { Controller, Get, Inject, Param } from '@nestjs/common';
import { publicModel } from '../../core/public-model.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `GET /model/{author}/{slug}`. */
@Controller(API_PREFIXES)
export class ModelController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('model/:author/:slug')
  async get(@Param('author') author: string, @Param('slug') slug: string) {
    const entry = await this.context.catalogView.resolve(`${author}/${slug}`);
    return { data: publicModel(entry, this.context.clock.nowMs()) };
  }
}
