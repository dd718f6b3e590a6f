import type { ProviderManifest } from '../provider-manifest.js';

export const fireworksManifest: ProviderManifest = {
  slug: 'fireworks',
  name: 'Fireworks',
  otelProviderName: 'fireworks',
  // https://docs.fireworks.ai/tools-sdks/openai-compatibility
  baseUrl: 'https://api.fireworks.ai/inference/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['FIREWORKS_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://docs.fireworks.ai/api-reference/post-chatcompletions
    maxTokensField: 'max_tokens',
    // https://docs.fireworks.ai/guides/reasoning
    reasoningStyle: 'effort',
    reasoningEfforts: ['none', 'low', 'medium', 'high'],
    // The final chunk of every stream holds usage: https://docs.fireworks.ai/tools-sdks/migrate-to-fireworks
    streamUsage: 'always',
    // Unknown fields are answered with 400 "Extra inputs are not permitted": https://docs.fireworks.ai/tools-sdks/nim-compatibility
    refusedParameters: ['top_a', 'verbosity', 'web_search_options', 'store'],
    // A prompt plus cap beyond the context is cut down in silence unless told otherwise: https://docs.fireworks.ai/tools-sdks/migrate-to-fireworks
    addedParameters: { context_length_exceeded_behavior: 'error' },
  },
  policies: {
    privacyPolicyUrl: 'https://fireworks.ai/privacy-policy',
    termsOfServiceUrl: 'https://fireworks.ai/terms-of-service',
    statusPageUrl: 'https://status.fireworks.ai',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
