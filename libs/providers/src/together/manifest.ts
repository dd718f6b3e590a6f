import type { ProviderManifest } from '../provider-manifest.js';

export const togetherManifest: ProviderManifest = {
  slug: 'together',
  name: 'Together',
  otelProviderName: 'together',
  // https://docs.together.ai/docs/openai-api-compatibility
  baseUrl: 'https://api.together.ai/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['TOGETHER_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://docs.together.ai/reference/chat-completions-1
    maxTokensField: 'max_tokens',
    // Hybrid models are switched by `reasoning: {enabled}`: https://docs.together.ai/docs/reasoning-models-guide
    reasoningStyle: 'reasoning-enabled',
    // Not in the list of parameters: https://docs.together.ai/reference/chat-completions-1
    refusedParameters: ['top_a', 'verbosity', 'prediction'],
  },
  policies: {
    privacyPolicyUrl: 'https://www.together.ai/privacy',
    termsOfServiceUrl: 'https://www.together.ai/terms-of-service',
    statusPageUrl: 'https://status.together.ai',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
