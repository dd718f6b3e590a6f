import type { ProviderManifest } from '../provider-manifest.js';

export const nvidiaManifest: ProviderManifest = {
  slug: 'nvidia',
  name: 'NVIDIA',
  otelProviderName: 'nvidia',
  // https://docs.api.nvidia.com/nim/reference/llm-apis
  baseUrl: 'https://integrate.api.nvidia.com/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['NVIDIA_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://docs.nvidia.com/nim/large-language-models/latest/api-reference.html
    maxTokensField: 'max_tokens',
    // Thinking is switched by the model’s chat template: https://docs.nvidia.com/nim/large-language-models/latest/reasoning-model.html
    reasoningStyle: 'chat-template',
    // Some models put thoughts into the content (same page).
    thinkTags: true,
    // Not in the schema of requests: https://docs.nvidia.com/nim/large-language-models/latest/api-reference.html
    refusedParameters: ['top_a', 'verbosity', 'prediction', 'web_search_options'],
  },
  policies: {
    privacyPolicyUrl: 'https://www.nvidia.com/en-us/about-nvidia/privacy-policy',
    termsOfServiceUrl: 'https://assets.ngc.nvidia.com/products/api-catalog/legal/NVIDIA%20API%20Trial%20Terms%20of%20Service.pdf',
    statusPageUrl: 'https://status.ngc.nvidia.com',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
