import type { ProviderDialectName } from './dialect-manifest.js';
import { anthropicMessagesProvider } from './anthropic-messages/provider/anthropic-messages-provider.js';
import { geminiProvider } from './gemini/provider/gemini-provider.js';
import { openaiChatProvider } from './openai-chat/provider/openai-chat-provider.js';
import type { ProviderDialect } from './provider-dialect.js';

export const providerDialects: Readonly<Record<ProviderDialectName, ProviderDialect>> = {
  'openai-chat': openaiChatProvider,
  'anthropic-messages': anthropicMessagesProvider,
  gemini: geminiProvider,
};
