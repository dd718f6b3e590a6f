import { Controller, Get, Inject, Param } from '@nestjs/common';
import type { RetrievedModel } from '@switchyard/api';
import { modelAuthor } from '@switchyard/core';
import { publicModel } from '../../core/public-model.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `GET /model/{author}/{slug}`, and `GET /models/{id}` as OpenAI's clients ask: some escape the id's slash, others do not. */
@Controller(API_PREFIXES)
export class ModelController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('model/:author/:slug')
  async get(@Param('author') author: string, @Param('slug') slug: string) {
    const entry = await this.context.catalogView.resolve(`${author}/${slug}`);
    return { data: publicModel(entry, this.context.clock.nowMs()) };
  }

  @Get('models/:author/:slug')
  retrieve(@Param('author') author: string, @Param('slug') slug: string): Promise<RetrievedModel> {
    return this.retrieveById(`${author}/${slug}`);
  }

  @Get('models/:id')
  async retrieveById(@Param('id') id: string): Promise<RetrievedModel> {
    const entry = await this.context.catalogView.resolve(id);
    const model = publicModel(entry, this.context.clock.nowMs());
    return { ...model, object: 'model', owned_by: modelAuthor(model.canonical_slug) ?? '' };
  }
}
