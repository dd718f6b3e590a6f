import type { ProviderManifest } from '../provider-manifest.js';

export const openaiManifest: ProviderManifest = {
  slug: 'openai',
  name: 'OpenAI',
  otelProviderName: 'openai',
  // https://platform.openai.com/docs/api-reference/introduction
  baseUrl: 'https://api.openai.com/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['OPENAI_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // `max_tokens` is deprecated and refused by reasoning models: https://platform.openai.com/docs/api-reference/chat/create
    maxTokensField: 'max_completion_tokens',
    // https://platform.openai.com/docs/guides/reasoning
    reasoningStyle: 'effort',
    reasoningEfforts: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'],
    // https://platform.openai.com/docs/api-reference/chat/create: developer messages replace system messages with o1 and newer; `name` tells participants apart.
    developerRole: 'keep',
    nameField: 'keep',
    // Ids of calls that other servers made are longer (vLLM's have 46 letters), and refused: https://github.com/vercel/ai/issues/5171
    toolCallIds: 'up-to-forty',
    // Sampling parameters of open-weight servers are unknown arguments here: https://platform.openai.com/docs/api-reference/chat/create
    refusedParameters: ['top_k', 'top_a', 'min_p', 'repetition_penalty'],
  },
  policies: {
    privacyPolicyUrl: 'https://openai.com/policies/privacy-policy',
    termsOfServiceUrl: 'https://openai.com/policies/services-agreement',
    statusPageUrl: 'https://status.openai.com',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
