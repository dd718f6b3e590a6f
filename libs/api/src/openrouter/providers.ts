import { z } from 'zod';

const providerSchema = z.object({
  name: z.string(),
  slug: z.string(),
  privacy_policy_url: z.string().nullable(),
  terms_of_service_url: z.string().nullish(),
  status_page_url: z.string().nullish(),
  /** ISO 3166 alpha-2 codes. */
  headquarters: z.string().nullish(),
  datacenters: z.array(z.string()).nullish(),
});
export type PublicProvider = z.infer<typeof providerSchema>;

export const providersResponseSchema = z.object({ data: z.array(providerSchema) });
