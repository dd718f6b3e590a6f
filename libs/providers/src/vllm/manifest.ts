import type { ProviderManifest } from '../provider-manifest.js';

/** Also stands for any server of that kind which the operator’s catalogue names. */
export const vllmManifest: ProviderManifest = {
  slug: 'vllm',
  name: 'vLLM',
  otelProviderName: 'vllm',
  // Run by the operator: the catalogue says where.
  baseUrl: undefined,
  authentication: { kind: 'bearer' },
  isCredentialOptional: true,
  credentialVariables: ['VLLM_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    maxTokensField: 'max_tokens',
    // Thinking is switched by the model’s chat template: https://docs.vllm.ai/en/latest/features/reasoning_outputs.html
    reasoningStyle: 'chat-template',
    // `continue_final_message`, `add_generation_prompt`: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    prefill: 'continue-final-message',
    // The server would fetch URLs from inside the operator’s network; the worker fetches them behind its guard: https://docs.vllm.ai/en/latest/usage/security.html
    imageSource: 'base64',
  },
  policies: {
    datacenters: [],
  },
};
