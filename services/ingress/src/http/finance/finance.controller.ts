import { Controller, Get, Inject, Query, Req, Res } from '@nestjs/common';
import { explanationQuerySchema, parseQuery, publicStatement, spendQuerySchema, statementCsv, statementQuerySchema, statementText } from '@switchyard/api';
import { SwitchyardError } from '@switchyard/errors';
import type { FastifyReply } from 'fastify';
import { publicSpend, spendCsv, spendRequest } from '../../core/public-spend.js';
import { clientLeft } from '../client-left.js';
import type { HttpRequest } from '../http-request.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

/** A month of a large account takes billing a while. */
const REPORT_TIMEOUT_MS = 120_000;

/** `/finance/…`: what was charged to the account of a management key, and why. Every figure is the ledger's. */
@Controller(API_PREFIXES)
export class FinanceController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('finance/spend')
  async spend(@Query() query: unknown, @Req() request: HttpRequest, @Res() reply: FastifyReply): Promise<void> {
    const signal = clientLeft(reply);
    const { accountId } = await this.context.access.managementKey(request.headers);
    const parameters = parseQuery(spendQuerySchema, query);
    const asked = spendRequest(parameters, accountId);
    const spend = publicSpend(asked, await this.context.ledger.listSpend(asked, { timeoutMs: REPORT_TIMEOUT_MS, signal }));
    if (formatOf(parameters.format, request) !== 'csv') return sendJson(reply, spend);
    await reply
      .headers(spend.next_cursor === null ? {} : { 'x-next-cursor': spend.next_cursor })
      .headers(attachment('spend.csv'))
      .send(spendCsv(asked, spend));
  }

  @Get('finance/statement')
  async statement(@Query() query: unknown, @Req() request: HttpRequest, @Res() reply: FastifyReply): Promise<void> {
    const signal = clientLeft(reply);
    const { accountId } = await this.context.access.managementKey(request.headers);
    const { month, format } = parseQuery(statementQuerySchema, query);
    const { statement } = await this.context.ledger.getStatement({ accountId, month }, { timeoutMs: REPORT_TIMEOUT_MS, signal });
    if (!statement) throw new SwitchyardError('not_found', 'There is no such statement');
    const shown = publicStatement(statement);
    const wanted = formatOf(format, request);
    if (wanted === 'json') return sendJson(reply, { data: shown });
    if (wanted === 'text') return sendText(reply, statementText(shown));
    await reply.headers(attachment(`statement-${month}.csv`)).send(statementCsv(shown));
  }

  @Get('finance/explain')
  async explain(@Query() query: unknown, @Req() request: HttpRequest, @Res() reply: FastifyReply): Promise<void> {
    const { accountId } = await this.context.access.managementKey(request.headers);
    const { id, format } = parseQuery(explanationQuerySchema, query);
    const { explanationJson, explanationText } = await this.context.ledger.explainGeneration({ generationId: id, accountId });
    if (formatOf(format, request) === 'text') return sendText(reply, explanationText);
    await reply.headers(JSON_HEADERS).send(`{"data":${explanationJson}}`);
  }
}

type Format = 'json' | 'csv' | 'text';

/** What the query says, else what the client accepts. */
function formatOf(format: Format | undefined, request: HttpRequest): Format {
  const accept = String(request.headers['accept'] ?? '');
  if (format !== undefined) return format;
  if (/^text\/csv\b/i.test(accept)) return 'csv';
  return /^text\/plain\b/i.test(accept) ? 'text' : 'json';
}

const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' };

async function sendJson(reply: FastifyReply, body: unknown): Promise<void> {
  await reply.headers(JSON_HEADERS).send(JSON.stringify(body));
}

async function sendText(reply: FastifyReply, text: string): Promise<void> {
  await reply.header('content-type', 'text/plain; charset=utf-8').send(text);
}

function attachment(name: string): Record<string, string> {
  return { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': `attachment; filename="${name}"` };
}
