import type { ProviderManifest } from '../provider-manifest.js';

export const qwenManifest: ProviderManifest = {
  slug: 'qwen',
  name: 'Alibaba Qwen',
  otelProviderName: 'alibaba_cloud',
  // https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope
  baseUrl: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
  authentication: { kind: 'bearer' },
  isCredentialOptional: false,
  credentialVariables: ['DASHSCOPE_API_KEY'],
  dialect: 'openai-chat',
  openaiChat: {
    // https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api
    maxTokensField: 'max_tokens',
    // `enable_thinking`, `thinking_budget`: https://www.alibabacloud.com/help/en/model-studio/deep-thinking
    reasoningStyle: 'enable-thinking',
    // https://www.alibabacloud.com/help/en/model-studio/partial-mode
    prefill: 'partial',
    // Explicit cache marks: https://www.alibabacloud.com/help/en/model-studio/context-cache
    cacheControl: 'keep',
    // Not in the list of parameters: https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api
    refusedParameters: ['top_a', 'min_p', 'logit_bias', 'verbosity', 'prediction'],
    // https://www.alibabacloud.com/help/en/model-studio/error-code
    errorCodes: { data_inspection_failed: 'content_policy_violation', DataInspectionFailed: 'content_policy_violation' },
  },
  policies: {
    privacyPolicyUrl: 'https://www.alibabacloud.com/help/en/legal/latest/alibaba-cloud-international-website-privacy-policy',
    termsOfServiceUrl: 'https://www.alibabacloud.com/help/en/legal/latest/alibaba-cloud-international-website-product-terms-of-service',
    statusPageUrl: 'https://status.alibabacloud.com',
    headquarters: 'SG',
    datacenters: ['SG'],
  },
};
