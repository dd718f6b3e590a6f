import type { ProviderManifest } from '../provider-manifest.js';

export const leptonManifest: ProviderManifest = {
  slug: 'lepton',
  name: 'Lepton',
  otelProviderName: 'lepton',
  // Every deployment has a host of its own, so the catalogue names it: https://docs.nvidia.com/dgx-cloud/lepton/features/endpoints
  baseUrl: undefined,
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['LEPTON_API_TOKEN'],
  dialect: 'openai-chat',
  openaiChat: {
    // Endpoints are served by vLLM or SGLang (same page).
    maxTokensField: 'max_tokens',
    reasoningStyle: 'chat-template',
  },
  policies: {
    privacyPolicyUrl: 'https://www.nvidia.com/en-us/about-nvidia/privacy-policy',
    termsOfServiceUrl: 'https://www.nvidia.com/en-us/agreements/cloud-services/service-specific-terms-for-nvidia-dgx-cloud-lepton',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
