import type { ProviderManifest } from '../provider-manifest.js';

export const googleManifest: ProviderManifest = {
  slug: 'google',
  name: 'Google AI Studio',
  otelProviderName: 'gcp.gemini',
  // https://ai.google.dev/api
  baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
  // https://ai.google.dev/gemini-api/docs/api-key
  authentication: { kind: 'header', name: 'x-goog-api-key' },
  isCredentialOptional: false,
  credentialVariables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
  dialect: 'gemini',
  policies: {
    privacyPolicyUrl: 'https://policies.google.com/privacy',
    termsOfServiceUrl: 'https://ai.google.dev/gemini-api/terms',
    statusPageUrl: 'https://aistudio.google.com/status',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
