import type { ClientDialect } from './client-dialect.js';
import type { ClientDialectName } from './dialect-manifest.js';
import { openaiChatClient } from './openai-chat/client/openai-chat-client.js';

export const clientDialects: Readonly<Record<ClientDialectName, ClientDialect>> = {
  'openai-chat': openaiChatClient,
};
