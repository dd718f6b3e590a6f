import type { ProviderManifest } from '../provider-manifest.js';

export const nebiusManifest: ProviderManifest = {
  slug: 'nebius',
  name: 'Nebius',
  otelProviderName: 'nebius',
  // https://docs.tokenfactory.nebius.com/api-reference/introduction
  baseUrl: 'https://api.tokenfactory.nebius.com/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['NEBIUS_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://docs.tokenfactory.nebius.com/api-reference/introduction
    maxTokensField: 'max_tokens',
    reasoningStyle: 'effort',
    reasoningEfforts: ['low', 'medium', 'high'],
    refusedParameters: ['top_a', 'verbosity', 'prediction', 'web_search_options'],
  },
  policies: {
    privacyPolicyUrl: 'https://docs.tokenfactory.nebius.com/legal/privacy-policy',
    termsOfServiceUrl: 'https://docs.tokenfactory.nebius.com/legal/terms-of-service',
    statusPageUrl: 'https://status.nebius.com',
    headquarters: 'NL',
    datacenters: ['FI', 'FR'],
  },
};
