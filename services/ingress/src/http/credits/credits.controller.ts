import { Controller, Get, Inject, Req } from '@nestjs/common';
import { picoToUsdNumber } from '@switchyard/core';
import type { HttpRequest } from '../http-request.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `GET /credits`: ever bought and ever used; open leases count as neither. */
@Controller(API_PREFIXES)
export class CreditsController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('credits')
  async get(@Req() request: HttpRequest) {
    const { accountId } = await this.context.access.managementKey(request.headers);
    const { totalCreditsPico, totalUsagePico } = await this.context.accounts.getCredits({ accountId });
    return { data: { total_credits: picoToUsdNumber(totalCreditsPico), total_usage: picoToUsdNumber(totalUsagePico) } };
  }
}
