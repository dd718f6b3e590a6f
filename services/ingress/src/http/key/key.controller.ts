import { Controller, Get, Inject, Req } from '@nestjs/common';
import { SwitchyardError } from '@switchyard/errors';
import { currentKey } from '../../core/public-key.js';
import type { HttpRequest } from '../http-request.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `GET /key` (once called `/auth/key`): the calling key about itself. */
@Controller(API_PREFIXES)
export class KeyController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get(['key', 'auth/key'])
  async get(@Req() request: HttpRequest) {
    const { accountId, hash } = await this.context.access.anyKey(request.headers);
    const { key } = await this.context.keys.getKey({ accountId, hash });
    if (!key) throw new SwitchyardError('not_found', 'API key not found');
    return { data: currentKey(key, this.context.billingNowMs()) };
  }
}
