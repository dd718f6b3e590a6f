import { z } from 'zod';

/** One day of one endpoint. Money in USD. */
const activityRowSchema = z.object({
  /** `YYYY-MM-DD`, UTC. */
  date: z.string(),
  model: z.string(),
  model_permaslug: z.string(),
  endpoint_id: z.string(),
  provider_name: z.string(),
  usage: z.number(),
  byok_usage_inference: z.number(),
  requests: z.int(),
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  reasoning_tokens: z.int(),
  workspace_id: z.string().optional(),
});
export type PublicActivityRow = z.infer<typeof activityRowSchema>;
export const activityResponseSchema = z.object({ data: z.array(activityRowSchema) });

export const activityQuerySchema = z.object({
  date: z.iso.date().optional(),
  api_key_hash: z.string().max(64).optional(),
  user_id: z.string().max(1_024).optional(),
  group_by: z.enum(['workspace']).optional(),
  workspace_id: z.string().max(200).optional(),
});
