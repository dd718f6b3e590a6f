import type { ProviderManifest } from '../provider-manifest.js';

export const sambanovaManifest: ProviderManifest = {
  slug: 'sambanova',
  name: 'SambaNova',
  otelProviderName: 'sambanova',
  // https://docs.sambanova.ai/docs/en/features/openai-compatibility
  baseUrl: 'https://api.sambanova.ai/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['SAMBANOVA_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://docs.sambanova.ai/docs/en/api-reference/chat-completion
    maxTokensField: 'max_tokens',
    // Ignored by the provider, so better reported: https://docs.sambanova.ai/docs/en/features/openai-compatibility
    refusedParameters: [
      'logprobs',
      'top_logprobs',
      'presence_penalty',
      'frequency_penalty',
      'logit_bias',
      'top_a',
      'min_p',
      'repetition_penalty',
      'verbosity',
      'prediction',
    ],
    // https://docs.sambanova.ai/docs/en/features/reasoning
    reasoningStyle: 'chat-template',
    // Thoughts come inside the content (same page).
    thinkTags: true,
  },
  policies: {
    privacyPolicyUrl: 'https://sambanova.ai/privacy-policy',
    termsOfServiceUrl: 'https://sambanova.ai/cloud-end-user-license-agreement',
    statusPageUrl: 'https://status.sambanova.ai',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
