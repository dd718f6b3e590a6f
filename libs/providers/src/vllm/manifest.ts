import type { ProviderManifest } from '../provider-manifest.js';

/** Also stands for any server of that kind which the operator's catalogue names. */
export const vllmManifest: ProviderManifest = {
  slug: 'vllm',
  name: 'vLLM',
  otelProviderName: 'vllm',
  // Run by the operator: the catalogue says where.
  baseUrl: undefined,
  // `--api-key` is optional: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
  authentication: { kind: 'bearer' },
  isCredentialOptional: true,
  credentialVariables: ['VLLM_API_KEY'],
  cancelStopsBilling: true,
  dialect: 'openai-chat',
  openaiChat: {
    maxTokensField: 'max_tokens',
    // Thinking is switched by the model's chat template: https://docs.vllm.ai/en/latest/features/reasoning_outputs.html
    reasoningStyle: 'chat-template',
    // https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html (`continue_final_message`, `add_generation_prompt`)
    prefill: 'continue-final-message',
  },
  policies: { datacenters: [] },
};
