import type { ProviderManifest } from '../provider-manifest.js';

export const openrouterManifest: ProviderManifest = {
  slug: 'openrouter',
  name: 'OpenRouter',
  otelProviderName: 'openrouter',
  // https://openrouter.ai/docs/api-reference/overview
  baseUrl: 'https://openrouter.ai/api/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['OPENROUTER_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://openrouter.ai/docs/api-reference/chat-completion
    maxTokensField: 'max_tokens',
    // https://openrouter.ai/docs/use-cases/reasoning-tokens
    reasoningStyle: 'openrouter',
    // Must come back unchanged (same page).
    reasoningHistory: 'reasoning_details',
    // Anthropic-style marks: https://openrouter.ai/docs/features/prompt-caching
    cacheControl: 'keep',
    // Usage comes unasked in the last chunk: https://openrouter.ai/docs/use-cases/usage-accounting
    streamUsage: 'always',
    // In credits, which are USD (same page).
    statedCost: 'usd',
    // https://openrouter.ai/docs/api-reference/overview
    developerRole: 'keep',
    nameField: 'keep',
    // A trailing assistant message is continued (same page).
    prefill: 'plain',
  },
  policies: {
    privacyPolicyUrl: 'https://openrouter.ai/privacy',
    termsOfServiceUrl: 'https://openrouter.ai/terms',
    statusPageUrl: 'https://status.openrouter.ai',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
