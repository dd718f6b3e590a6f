import type { ProviderManifest } from '../provider-manifest.js';

export const cerebrasManifest: ProviderManifest = {
  slug: 'cerebras',
  name: 'Cerebras',
  otelProviderName: 'cerebras',
  // https://inference-docs.cerebras.ai/resources/openai
  baseUrl: 'https://api.cerebras.ai/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['CEREBRAS_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://inference-docs.cerebras.ai/api-reference/chat-completions
    maxTokensField: 'max_completion_tokens',
    // Answered with 400: https://inference-docs.cerebras.ai/resources/openai
    refusedParameters: [
      'frequency_penalty',
      'presence_penalty',
      'logit_bias',
      'top_k',
      'top_a',
      'min_p',
      'repetition_penalty',
      'verbosity',
      // Prefixes are cached without a hint: https://inference-docs.cerebras.ai/capabilities/prompt-caching
      'prompt_cache_key',
      'prompt_cache_options',
      'prompt_cache_retention',
    ],
    // https://inference-docs.cerebras.ai/capabilities/reasoning
    reasoningStyle: 'effort',
    reasoningEfforts: ['low', 'medium', 'high'],
  },
  policies: {
    privacyPolicyUrl: 'https://www.cerebras.ai/privacy-policy',
    termsOfServiceUrl: 'https://www.cerebras.ai/terms-of-service',
    statusPageUrl: 'https://status.cerebras.ai',
    headquarters: 'US',
    datacenters: ['US', 'CA'],
  },
};
