import { Controller, Get, Header, Inject } from '@nestjs/common';
import { openapiDocument } from '@switchyard/api';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** `GET /openapi.json`, generated from the schemas that validate. */
@Controller(['', ...API_PREFIXES])
export class OpenapiController {
  private readonly text: string;

  constructor(@Inject(MANAGEMENT_CONTEXT) context: ManagementContext) {
    this.text = JSON.stringify(openapiDocument(context.version));
  }

  @Get('openapi.json')
  @Header('content-type', 'application/json; charset=utf-8')
  get(): string {
    return this.text;
  }
}
