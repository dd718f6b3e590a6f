import type { ProviderManifest } from '../provider-manifest.js';

export const deepseekManifest: ProviderManifest = {
  slug: 'deepseek',
  name: 'DeepSeek',
  otelProviderName: 'deepseek',
  // https://api-docs.deepseek.com
  baseUrl: 'https://api.deepseek.com',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['DEEPSEEK_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://api-docs.deepseek.com/api/create-chat-completion
    maxTokensField: 'max_tokens',
    // https://api-docs.deepseek.com/guides/thinking_mode
    reasoningStyle: 'thinking-type',
    reasoningEfforts: ['low', 'high', 'max'],
    // Thoughts around tool calls must come back (same page).
    reasoningHistory: 'reasoning_content',
    // Without them, and with a forced tool, it refuses to think, which it does by default: https://github.com/deepseek-ai/DeepSeek-V3/issues/1376
    strictThinking: true,
    // JSON mode without a schema: https://api-docs.deepseek.com/guides/json_mode
    structuredOutput: 'json_object',
    // Not in the list of parameters: https://api-docs.deepseek.com/api/create-chat-completion
    refusedParameters: ['top_k', 'top_a', 'min_p', 'repetition_penalty', 'logit_bias', 'verbosity', 'prediction', 'parallel_tool_calls'],
    // https://api-docs.deepseek.com/quick_start/error_codes: 402 is an empty account of ours.
    errorCodes: { insufficient_balance: 'provider_unavailable' },
  },
  policies: {
    privacyPolicyUrl: 'https://cdn.deepseek.com/policies/en-US/deepseek-privacy-policy.html',
    termsOfServiceUrl: 'https://cdn.deepseek.com/policies/en-US/deepseek-open-platform-terms-of-service.html',
    statusPageUrl: 'https://status.deepseek.com',
    headquarters: 'CN',
    datacenters: ['CN'],
  },
};
