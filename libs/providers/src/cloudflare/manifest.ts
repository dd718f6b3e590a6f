import type { ProviderManifest } from '../provider-manifest.js';

export const cloudflareManifest: ProviderManifest = {
  slug: 'cloudflare',
  name: 'Cloudflare',
  otelProviderName: 'cloudflare',
  // https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility
  baseUrl: 'https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['CLOUDFLARE_API_TOKEN', 'CLOUDFLARE_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility
    maxTokensField: 'max_tokens',
    reasoningStyle: 'effort',
    reasoningEfforts: ['low', 'medium', 'high'],
    // Not in the schema of text generation: https://developers.cloudflare.com/workers-ai/models
    refusedParameters: ['top_a', 'min_p', 'logit_bias', 'verbosity', 'prediction'],
  },
  policies: {
    privacyPolicyUrl: 'https://www.cloudflare.com/privacypolicy',
    termsOfServiceUrl: 'https://www.cloudflare.com/service-specific-terms-developer-platform',
    statusPageUrl: 'https://www.cloudflarestatus.com',
    headquarters: 'US',
    datacenters: [],
  },
};
