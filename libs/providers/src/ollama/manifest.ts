import type { ProviderManifest } from '../provider-manifest.js';

export const ollamaManifest: ProviderManifest = {
  slug: 'ollama',
  name: 'Ollama',
  otelProviderName: 'ollama',
  // Run by the operator: the catalogue says where.
  baseUrl: undefined,
  authentication: { kind: 'bearer' },
  isCredentialOptional: true,
  credentialVariables: ['OLLAMA_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://docs.ollama.com/api/openai-compatibility
    maxTokensField: 'max_tokens',
    // `reasoning_effort` (same page).
    reasoningStyle: 'effort',
    reasoningEfforts: ['none', 'low', 'medium', 'high'],
    // Older servers take base64 alone, and newer ones would fetch URLs from inside the operator’s network (same page).
    imageSource: 'base64',
    // Not in the list of request fields (same page).
    refusedParameters: ['logit_bias', 'top_k', 'top_a', 'min_p', 'repetition_penalty', 'parallel_tool_calls', 'verbosity', 'prediction', 'user'],
  },
  policies: {
    datacenters: [],
  },
};
