import type { ProviderManifest } from '../provider-manifest.js';

export const xaiManifest: ProviderManifest = {
  slug: 'xai',
  name: 'xAI',
  otelProviderName: 'x_ai',
  // https://docs.x.ai/docs/api-reference
  baseUrl: 'https://api.x.ai/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['XAI_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // `max_tokens` is deprecated: https://docs.x.ai/docs/api-reference#chat-completions
    maxTokensField: 'max_completion_tokens',
    // Unsupported by all models (same page); what reasoning models refuse beside is listed per endpoint.
    // `search_parameters` was retired and is answered with 410: https://docs.x.ai/docs/guides/live-search
    refusedParameters: ['logit_bias', 'top_k', 'top_a', 'min_p', 'repetition_penalty', 'verbosity', 'prediction', 'search_parameters'],
    // https://docs.x.ai/docs/guides/reasoning
    reasoningStyle: 'effort',
    reasoningEfforts: ['low', 'high'],
    // `completion_tokens` leaves reasoning out, `total_tokens` does not: https://docs.x.ai/docs/guides/reasoning
    reasoningBesideCompletion: true,
    // https://docs.x.ai/developers/cost-tracking
    statedCost: 'usd-ticks',
  },
  policies: {
    privacyPolicyUrl: 'https://x.ai/legal/privacy-policy',
    termsOfServiceUrl: 'https://x.ai/legal/terms-of-service-enterprise',
    statusPageUrl: 'https://status.x.ai',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
