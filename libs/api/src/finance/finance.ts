import { z } from 'zod';
import { pageLimit, queryList, timeOf } from '../openrouter/query-parameters.js';

/** USD as decimal text, exact to a pico-USD (1e-12 USD): a JSON number would round. */
const usd = z.string();
/** The same amount in pico-USD, an integer as text. */
const pico = z.string();
const count = z.int();
const isoTime = z.string();

/** A midnight UTC: `2026-10-01`, or an instant that is one. */
const queryDay = z.string().refine((text) => (timeOf(text) ?? 1) % 86_400_000 === 0, 'expected a date such as 2026-10-01, UTC');

const sumsShape = {
  requests: count,
  prompt_tokens: count,
  completion_tokens: count,
  reasoning_tokens: count,
  cached_tokens: count,
  charge_usd: usd,
  charge_pico: pico,
};

/** What one group of requests was charged in one period. */
const spendRowSchema = z.object({
  /** Inclusive. */
  charge_period_start: isoTime,
  /** Exclusive. */
  charge_period_end: isoTime,
  billing_account_id: z.string(),
  billing_currency: z.literal('USD'),
  /** Value by name of the dimension; null where requests name none. */
  group: z.record(z.string(), z.string().nullable()),
  /** Where grouped by key. */
  key_name: z.string().optional(),
  key_label: z.string().optional(),
  ...sumsShape,
});
export type PublicSpendRow = z.infer<typeof spendRowSchema>;

export const spendResponseSchema = z.object({
  data: z.array(spendRowSchema),
  /** Of all pages: what the ledger posted for these requests. */
  total: z.object(sumsShape),
  next_cursor: z.string().nullable(),
});
export type PublicSpend = z.infer<typeof spendResponseSchema>;

const MAX_TAGS = 5;

/** Query of `GET /finance/spend`. Periods follow the time a request was accepted, UTC. A filter under a name that nobody knows would show everybody's spend. */
export const spendQuerySchema = z.strictObject({
  /** First day. */
  start: queryDay,
  /** The day after the last. */
  end: queryDay,
  granularity: z.enum(['day', 'month', 'whole']).optional(),
  /** Up to six, with commas between: `key`, `workspace`, `model`, `provider`, `app`, `user`, `session`, `cost_centre`, `tag:<name>`. */
  group_by: queryList.optional(),
  key: z.string().max(64).optional(),
  workspace: z.string().max(200).optional(),
  model: z.string().max(256).optional(),
  provider: z.string().max(200).optional(),
  app: z.string().max(2_048).optional(),
  user: z.string().max(1_024).optional(),
  session: z.string().max(256).optional(),
  cost_centre: z.string().max(200).optional(),
  /** `<name>:<value>`: only requests whose metadata has this pair; given several times, all of these pairs. */
  tag: z
    .array(
      z
        .string()
        .max(1_024)
        .regex(/^[^:]+:/, 'expected <name>:<value>'),
    )
    .max(MAX_TAGS)
    .optional(),
  cursor: z.string().max(65_536).optional(),
  limit: pageLimit(10_000).optional(),
  format: z.enum(['json', 'csv']).optional(),
});
export type SpendQueryParameters = z.output<typeof spendQuerySchema>;

const balanceSchema = z.object({ credits_usd: usd, receivable_usd: usd, balance_usd: usd, balance_pico: pico });
const statementLineShape = { requests: count, charge_usd: usd, charge_pico: pico };

/** One account's month: opening balance + bought + granted − charged + adjusted = closing balance. */
export const statementSchema = z.object({
  billing_account_id: z.string(),
  billing_account_name: z.string(),
  billing_currency: z.literal('USD'),
  /** `YYYY-MM`. */
  month: z.string(),
  billing_period_start: isoTime,
  billing_period_end: isoTime,
  created_at: isoTime,
  /** The month goes on, or requests accepted in it may still bring charges. */
  is_provisional: z.boolean(),
  opening: balanceSchema,
  bought_usd: usd,
  bought_pico: pico,
  granted_usd: usd,
  granted_pico: pico,
  charged_usd: usd,
  charged_pico: pico,
  adjusted_usd: usd,
  adjusted_pico: pico,
  closing: balanceSchema,
  /** What of the charges credit did not cover, and what has been paid off of it since. */
  receivable: z.object({ arisen_usd: usd, covered_usd: usd }),
  requests: count,
  by_key: z.array(z.object({ key: z.string().nullable(), key_name: z.string(), ...statementLineShape })),
  by_model: z.array(z.object({ model: z.string().nullable(), ...statementLineShape })),
  /** Top-ups, grants and adjustments, oldest first, at most 1,000 of `entry_count`. */
  entries: z.array(z.object({ time: isoTime, kind: z.string(), description: z.string(), amount_usd: usd, amount_pico: pico, transaction_id: z.string() })),
  entry_count: count,
  /** Where figures of separate origin disagree; empty when the statement reconciles with the ledger. */
  differences: z.array(z.string()),
});
export type PublicStatement = z.infer<typeof statementSchema>;
export const statementResponseSchema = z.object({ data: statementSchema });

export const statementQuerySchema = z.object({
  month: z.string().regex(/^[2-9]\d{3}-(0[1-9]|1[0-2])$/, 'expected YYYY-MM'),
  format: z.enum(['json', 'csv', 'text']).optional(),
});

/** Everything that a generation's charge came from; amounts in pico-USD as text, with USD beside sums. */
const explanationSchema = z.looseObject({
  generationId: z.string(),
  chargePico: pico,
  chargeUsd: usd,
  costPico: pico,
  costUsd: usd,
  marginPico: pico,
  marginUsd: usd,
});
export const explanationResponseSchema = z.object({ data: explanationSchema });
export const explanationQuerySchema = z.object({ id: z.string().min(1).max(128), format: z.enum(['json', 'text']).optional() });
