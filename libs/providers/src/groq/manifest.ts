import type { ProviderManifest } from '../provider-manifest.js';

export const groqManifest: ProviderManifest = {
  slug: 'groq',
  name: 'Groq',
  otelProviderName: 'groq',
  // https://console.groq.com/docs/openai
  baseUrl: 'https://api.groq.com/openai/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['GROQ_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // `max_tokens` is deprecated: https://console.groq.com/docs/api-reference#chat-create
    maxTokensField: 'max_completion_tokens',
    // Answered with 400: https://console.groq.com/docs/openai#currently-unsupported-openai-features; the sampling parameters are unknown to it.
    refusedParameters: [
      'logprobs',
      'top_logprobs',
      'logit_bias',
      'top_k',
      'top_a',
      'min_p',
      'repetition_penalty',
      'verbosity',
      'prediction',
      // Prefixes are cached without a hint: https://console.groq.com/docs/prompt-caching
      'prompt_cache_key',
      'prompt_cache_options',
      'prompt_cache_retention',
    ],
    // `messages[].name` is answered with 400 (same page).
    nameField: 'prefix',
    // https://console.groq.com/docs/reasoning
    reasoningStyle: 'effort',
    reasoningEfforts: ['low', 'medium', 'high'],
    // With the raw format thoughts come inside the content (same page).
    thinkTags: true,
    // Status 400 where its model wrote no valid call or JSON, or is not to be had: https://console.groq.com/docs/errors
    errorCodes: {
      tool_use_failed: 'provider_unavailable',
      json_validate_failed: 'provider_unavailable',
      model_decommissioned: 'provider_unavailable',
      model_terms_required: 'provider_unavailable',
    },
  },
  policies: {
    privacyPolicyUrl: 'https://groq.com/privacy-policy',
    termsOfServiceUrl: 'https://groq.com/terms-of-use',
    statusPageUrl: 'https://groqstatus.com',
    headquarters: 'US',
    datacenters: ['US'],
  },
};
