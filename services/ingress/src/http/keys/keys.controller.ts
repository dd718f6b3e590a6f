import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { createKeySchema, flagOf, keysQuerySchema, parseQuery, updateKeySchema } from '@switchyard/api';
import { SwitchyardError } from '@switchyard/errors';
import type { billing } from '@switchyard/proto';
import { createKeyRequest, publicKey, updateKeyRequest } from '../../core/public-key.js';
import type { HttpRequest } from '../http-request.js';
import { API_PREFIXES, MANAGEMENT_CONTEXT, type ManagementContext } from '../management-context.js';

const PAGE = 100;

/** `/keys`: the account's keys, for management keys only. A secret is shown once, by `POST`. */
@Controller(API_PREFIXES)
export class KeysController {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  @Get('keys')
  async list(@Query() query: unknown, @Req() request: HttpRequest) {
    const { accountId } = await this.context.access.managementKey(request.headers);
    const { include_disabled, offset, limit, workspace_id } = parseQuery(keysQuerySchema, query);
    const { keys } = await this.context.keys.listKeys({
      accountId,
      workspaceId: workspace_id ?? '',
      includeDisabled: flagOf(include_disabled) ?? false,
      offset: offset ?? 0,
      limit: limit ?? PAGE,
    });
    return { data: keys.map(publicKey) };
  }

  @Post('keys')
  @HttpCode(201)
  async create(@Body() body: unknown, @Req() request: HttpRequest) {
    const { accountId } = await this.context.access.managementKey(request.headers);
    const fields = await this.context.bodies.json(createKeySchema, body);
    const { key, secret } = await this.context.keys.createKey(createKeyRequest(fields, accountId));
    return { data: publicKey({ key, usage: undefined }), key: secret };
  }

  @Get('keys/:hash')
  async get(@Param('hash') hash: string, @Req() request: HttpRequest) {
    const { accountId } = await this.context.access.managementKey(request.headers);
    return { data: shown((await this.context.keys.getKey({ accountId, hash: requireHash(hash) })).key) };
  }

  @Patch('keys/:hash')
  async update(@Param('hash') hash: string, @Body() body: unknown, @Req() request: HttpRequest) {
    const { accountId } = await this.context.access.managementKey(request.headers);
    const fields = await this.context.bodies.json(updateKeySchema, body);
    const { key } = await this.context.keys.updateKey(updateKeyRequest(fields, accountId, requireHash(hash)));
    return { data: shown(key) };
  }

  @Delete('keys/:hash')
  async delete(@Param('hash') hash: string, @Req() request: HttpRequest) {
    const { accountId } = await this.context.access.managementKey(request.headers);
    await this.context.keys.deleteKey({ accountId, hash: requireHash(hash) });
    return { deleted: true };
  }
}

function shown(key: billing.KeyWithUsage | undefined) {
  if (!key) throw new SwitchyardError('not_found', 'API key not found');
  return publicKey(key);
}

function requireHash(hash: string): string {
  if (!/^[0-9a-f]{64}$/i.test(hash)) throw new SwitchyardError('not_found', 'API key not found');
  return hash.toLowerCase();
}
