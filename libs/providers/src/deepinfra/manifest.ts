import type { ProviderManifest } from '../provider-manifest.js';

export const deepinfraManifest: ProviderManifest = {
  slug: 'deepinfra',
  name: 'DeepInfra',
  otelProviderName: 'deepinfra',
  // https://deepinfra.com/docs/openai_api
  baseUrl: 'https://api.deepinfra.com/v1/openai',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['DEEPINFRA_API_KEY', 'DEEPINFRA_TOKEN'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://deepinfra.com/docs/openai_api
    maxTokensField: 'max_tokens',
    reasoningStyle: 'effort',
    reasoningEfforts: ['none', 'low', 'medium', 'high'],
    refusedParameters: ['top_a', 'verbosity', 'prediction', 'web_search_options'],
  },
  policies: {
    privacyPolicyUrl: 'https://deepinfra.com/privacy',
    termsOfServiceUrl: 'https://deepinfra.com/terms',
    statusPageUrl: 'https://status.deepinfra.com',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
