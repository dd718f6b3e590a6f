import { Controller, Get, Inject, Param, Req } from '@nestjs/common';
import { publicEndpoints } from '../../core/public-model.js';
import type { HttpRequest } from '../http-request.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `GET /models/{author}/{slug}/endpoints`. */
@Controller(API_PREFIXES)
export class EndpointsController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('models/:author/:slug/endpoints')
  async list(@Param('author') author: string, @Param('slug') slug: string, @Req() request: HttpRequest) {
    const [entry, isAuthenticated] = await Promise.all([
      this.context.catalogView.resolve(`${author}/${slug}`),
      this.context.access.hasValidKey(request.headers),
    ]);
    return { data: publicEndpoints(entry, isAuthenticated, this.context.clock.nowMs()) };
  }
}
