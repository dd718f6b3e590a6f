import { z } from 'zod';
import { pageLimit, pageOffset, queryFlag } from './query-parameters.js';

export const LIMIT_RESETS = ['daily', 'weekly', 'monthly'] as const;

const money = z.number();
const usageShape = {
  usage: money,
  usage_daily: money,
  usage_weekly: money,
  usage_monthly: money,
  byok_usage: money,
  byok_usage_daily: money,
  byok_usage_weekly: money,
  byok_usage_monthly: money,
};
const limitShape = { limit: money.nullable(), limit_remaining: money.nullable(), limit_reset: z.string().nullable(), include_byok_in_limit: z.boolean() };

/** A key as its managers see it. Money in USD; days begin at 00:00 UTC, weeks on Monday. */
const keySchema = z.object({
  hash: z.string(),
  name: z.string(),
  label: z.string(),
  disabled: z.boolean(),
  ...limitShape,
  ...usageShape,
  created_at: z.string(),
  updated_at: z.string().nullable(),
  expires_at: z.string().nullish(),
  /** When its last generation was accepted; null if there was none. */
  last_used_at: z.string().nullable(),
  creator_user_id: z.string().nullable(),
  external_user: z.string().nullable(),
  workspace_id: z.string(),
  /** Patterns of the models the key may use; empty: all. */
  allowed_models: z.array(z.string()),
  requests_per_minute: z.number().nullable(),
  tokens_per_minute: z.number().nullable(),
  cost_centre: z.string().nullable(),
  /** Its prompts and answers are in traces, where the installation allows that. */
  include_content_in_traces: z.boolean(),
});
export type PublicKey = z.infer<typeof keySchema>;

export const keyResponseSchema = z.object({ data: keySchema });
export const keysResponseSchema = z.object({ data: z.array(keySchema) });
/** `key` is the secret, shown this once. */
export const createKeyResponseSchema = z.object({ data: keySchema, key: z.string() });
export const deleteKeyResponseSchema = z.object({ deleted: z.literal(true) });

/** One budget that requests of a key have to keep to. Money in USD; without a reset it is for the key's whole life. */
const budgetSchema = z.object({
  scope: z.enum(['key_limit']),
  limit_usd: money,
  spend_usd: money,
  remaining_usd: money,
  reset_interval: z.enum(LIMIT_RESETS).nullable(),
  resets_at: z.string().nullable(),
  include_byok: z.boolean(),
  guardrail_id: z.null(),
  budget_id: z.null(),
});
export type KeyBudget = z.infer<typeof budgetSchema>;

/** The calling key about itself. */
const currentKeySchema = z.object({
  label: z.string(),
  ...limitShape,
  ...usageShape,
  expires_at: z.string().nullish(),
  is_free_tier: z.boolean(),
  is_management_key: z.boolean(),
  /** Old name of `is_management_key`. */
  is_provisioning_key: z.boolean(),
  creator_user_id: z.string().nullable(),
  organization_id: z.string().nullable(),
  workspace_id: z.string().nullable(),
  /** Deprecated; `requests: -1` says that there is no such limit. */
  rate_limit: z.object({ requests: z.int(), interval: z.string(), note: z.string() }),
  free_model_daily_requests: z.object({ limit: z.int(), used: z.int(), remaining: z.int() }),
  allowed_data_regions: z.array(z.string()),
  budgets: z.array(budgetSchema),
  /** The one of `budgets` that refuses requests first. */
  effective_budget: budgetSchema.nullable(),
});
export type CurrentKey = z.infer<typeof currentKeySchema>;
export const currentKeyResponseSchema = z.object({ data: currentKeySchema });

/** USD; amounts are counted in pico-USD, of which 64 bits hold a little more than this. */
const limit = z.number().nonnegative().max(9_000_000).nullable();
const modelPatterns = z.array(z.string().regex(/^[^\s/]{1,100}\/[^\s]{1,150}$/, 'expected author/slug or author/*')).max(200);
const perMinute = z.int().min(1).max(1_000_000_000).nullable();
const settingsShape = {
  name: z.string().min(1).max(255),
  limit: limit.optional(),
  limit_reset: z.enum(LIMIT_RESETS).nullish(),
  include_byok_in_limit: z.boolean().optional(),
  allowed_models: modelPatterns.nullish(),
  requests_per_minute: perMinute.optional(),
  tokens_per_minute: perMinute.optional(),
  cost_centre: z.string().max(200).nullish(),
  include_content_in_traces: z.boolean().optional(),
};
const expiry = z.iso.datetime({ offset: true }).nullish();

/** Body of `POST /keys`. Unknown names are refused, so that a misspelt limit is never ignored. */
export const createKeySchema = z.strictObject({
  ...settingsShape,
  expires_at: expiry,
  creator_user_id: z.string().max(200).nullish(),
  workspace_id: z.string().max(200).nullish(),
  external: z.looseObject({ user: z.string().min(1).max(200) }).nullish(),
});
export type CreateKey = z.infer<typeof createKeySchema>;

/** Body of `PATCH /keys/{hash}`: what is absent stays, `null` clears, and unknown names are refused. */
export const updateKeySchema = z.strictObject({ ...settingsShape, name: settingsShape.name.optional(), disabled: z.boolean().optional(), expires_at: expiry });
export type UpdateKey = z.infer<typeof updateKeySchema>;

export const keysQuerySchema = z.object({
  include_disabled: queryFlag.optional(),
  offset: pageOffset.optional(),
  limit: pageLimit(100).optional(),
  workspace_id: z.string().max(200).optional(),
});

/** Money in USD: ever bought, ever used. */
export const creditsResponseSchema = z.object({ data: z.object({ total_credits: money, total_usage: money }) });
