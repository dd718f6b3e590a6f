import type { ProviderManifest } from '../provider-manifest.js';

export const moonshotManifest: ProviderManifest = {
  slug: 'moonshot',
  name: 'Moonshot AI',
  otelProviderName: 'moonshot_ai',
  // https://platform.moonshot.ai/docs/api/chat
  baseUrl: 'https://api.moonshot.ai/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['MOONSHOT_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // `max_tokens` is deprecated: https://platform.moonshot.ai/docs/api/chat
    maxTokensField: 'max_completion_tokens',
    // https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model
    reasoningStyle: 'thinking-type',
    // Thoughts around tool calls must come back unchanged (same page).
    reasoningHistory: 'reasoning_content',
    // Without them, and with a forced tool, Kimi K2.5 and K2.6 refuse to think, which they do by default (same page).
    strictThinking: true,
    // A picture is base64 or a file id: https://platform.moonshot.ai/docs/api/chat
    imageSource: 'base64',
    // https://platform.moonshot.ai/docs/api/partial
    prefill: 'partial',
    // Not in the list of parameters: https://platform.moonshot.ai/docs/api/chat
    refusedParameters: ['top_k', 'top_a', 'min_p', 'repetition_penalty', 'logit_bias', 'verbosity', 'prediction'],
  },
  policies: {
    privacyPolicyUrl: 'https://platform.moonshot.ai/docs/agreement/userprivacy',
    termsOfServiceUrl: 'https://platform.moonshot.ai/docs/agreement/modeluse',
    headquarters: 'CN',
    datacenters: ['SG'],
  },
};
