import type { ProviderManifest } from '../provider-manifest.js';

export const mistralManifest: ProviderManifest = {
  slug: 'mistral',
  name: 'Mistral',
  otelProviderName: 'mistral_ai',
  // https://docs.mistral.ai/api
  baseUrl: 'https://api.mistral.ai/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['MISTRAL_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://docs.mistral.ai/api/endpoint/chat
    maxTokensField: 'max_tokens',
    renamedParameters: { seed: 'random_seed' },
    // Extra fields are answered with 422 (same page).
    refusedParameters: [
      'logit_bias',
      'logprobs',
      'top_logprobs',
      'top_k',
      'top_a',
      'min_p',
      'repetition_penalty',
      'user',
      'verbosity',
      'store',
      'service_tier',
      'web_search_options',
    ],
    // The last chunk holds usage unasked; there is no `stream_options` (same page).
    streamUsage: 'always',
    // Every model that reasons takes these two alone: https://docs.mistral.ai/capabilities/reasoning/adjustable
    reasoningStyle: 'effort',
    reasoningEfforts: ['none', 'high'],
    // Thoughts are content parts of type `thinking` (same page).
    reasoningHistory: 'thinking-parts',
    // Nine characters of a-z, A-Z, 0-9: https://docs.mistral.ai/capabilities/function_calling
    toolCallIds: 'nine-alphanumerics',
    // https://docs.mistral.ai/capabilities/completion/prefix
    prefill: 'prefix',
  },
  policies: {
    privacyPolicyUrl: 'https://mistral.ai/terms#privacy-policy',
    termsOfServiceUrl: 'https://mistral.ai/terms#terms-of-service',
    statusPageUrl: 'https://status.mistral.ai',
    headquarters: 'FR',
    datacenters: ['FR', 'SE'],
  },
};
