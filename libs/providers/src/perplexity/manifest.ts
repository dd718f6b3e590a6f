import type { ProviderManifest } from '../provider-manifest.js';

export const perplexityManifest: ProviderManifest = {
  slug: 'perplexity',
  name: 'Perplexity',
  otelProviderName: 'perplexity',
  // https://docs.perplexity.ai/guides/chat-completions-guide
  baseUrl: 'https://api.perplexity.ai',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['PERPLEXITY_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://docs.perplexity.ai/api-reference/chat-completions-post
    maxTokensField: 'max_tokens',
    // Not in the list of parameters: https://docs.perplexity.ai/api-reference/chat-completions-post
    refusedParameters: [
      'tools',
      'tool_choice',
      'parallel_tool_calls',
      'seed',
      'logit_bias',
      'logprobs',
      'top_logprobs',
      'top_a',
      'min_p',
      'repetition_penalty',
      'verbosity',
      'prediction',
      'user',
    ],
    // Every chunk holds usage; there is no `stream_options` (same page).
    streamUsage: 'always',
    // Thoughts come inside the content: https://docs.perplexity.ai/guides/structured-outputs
    thinkTags: true,
    // `reasoning_effort` of sonar-deep-research: https://docs.perplexity.ai/api-reference/chat-completions-post
    reasoningStyle: 'effort',
    reasoningEfforts: ['low', 'medium', 'high'],
  },
  policies: {
    privacyPolicyUrl: 'https://www.perplexity.ai/hub/legal/privacy-policy',
    termsOfServiceUrl: 'https://www.perplexity.ai/hub/legal/perplexity-api-terms-of-service',
    statusPageUrl: 'https://status.perplexity.com',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
