import { Body, Controller, Header, HttpCode, Inject, Post, Req } from '@nestjs/common';
import type { HttpRequest } from '../http-request.js';
import { describedPolicyOf } from '../../routing-policy.js';
import { chatCompletionsRoute } from '../chat-completions/chat-completions.route.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `POST /routing/decide`: a chat request goes in, the plan that the calling key would get comes out; nothing is sent to a provider. */
@Controller(API_PREFIXES)
export class RoutingController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Post('routing/decide')
  @HttpCode(200)
  @Header('content-type', 'application/json; charset=utf-8')
  async decide(@Body() body: unknown, @Req() request: HttpRequest): Promise<string> {
    const key = await this.context.access.anyKey(request.headers);
    const { bodies, breakers, clock, deadlines, limits, router } = this.context;
    const routing = await bodies.use(body, async (bytes) => chatCompletionsRoute.read(bytes, request.headers, limits).routing);
    const { planJson, tableVersion } = await router.decide({
      requestJson: JSON.stringify({ ...routing, policy: describedPolicyOf(key, breakers, deadlines, clock.monotonicMs()) }),
      acceptTimeMs: BigInt(this.context.billingNowMs()),
    });
    return `{"data":${planJson},"table_version":"${tableVersion}"}`;
  }
}
