import type { ProviderManifest } from '../provider-manifest.js';

export const novitaManifest: ProviderManifest = {
  slug: 'novita',
  name: 'Novita',
  otelProviderName: 'novita',
  // https://novita.ai/docs/guides/llm-api
  baseUrl: 'https://api.novita.ai/openai/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['NOVITA_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion
    maxTokensField: 'max_tokens',
    // `enable_thinking` (same page).
    reasoningStyle: 'enable-thinking',
    // https://novita.ai/docs/guides/llm-interleaved-thinking
    reasoningHistory: 'reasoning_details',
    // Unless told to separate them, some models put thoughts into the content: https://novita.ai/docs/guides/llm-reasoning
    thinkTags: true,
    // Not in the list of parameters: https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion
    refusedParameters: ['top_a', 'verbosity', 'prediction', 'parallel_tool_calls'],
  },
  policies: {
    privacyPolicyUrl: 'https://novita.ai/legal/privacy-policy',
    termsOfServiceUrl: 'https://novita.ai/legal/terms-of-service',
    statusPageUrl: 'https://status.novita.ai',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
