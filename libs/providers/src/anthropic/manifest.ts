import type { ProviderManifest } from '../provider-manifest.js';

export const anthropicManifest: ProviderManifest = {
  slug: 'anthropic',
  name: 'Anthropic',
  otelProviderName: 'anthropic',
  // https://docs.anthropic.com/en/api/overview
  baseUrl: 'https://api.anthropic.com/v1',
  authentication: { kind: 'header', name: 'x-api-key' },
  isCredentialOptional: false,
  credentialVariables: ['ANTHROPIC_API_KEY'],
  // Every request names the API's version: https://docs.anthropic.com/en/api/versioning
  headers: { 'anthropic-version': '2023-06-01' },
  dialect: 'anthropic-messages',
  policies: {
    privacyPolicyUrl: 'https://www.anthropic.com/legal/privacy',
    termsOfServiceUrl: 'https://www.anthropic.com/legal/commercial-terms',
    statusPageUrl: 'https://status.anthropic.com',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
