import type { ClientDialect } from '../../client-dialect.js';
import { parseChatRequest } from './parse-chat-request.js';
import { parseCompletionRequest } from './parse-completion-request.js';
import { parseEmbeddingRequest } from './parse-embedding-request.js';
import { renderChatResponse, renderCompletionResponse, renderEmbeddingResponse } from './render-response.js';
import { renderDebugChunk, renderUsageChunk, renderWholeTail } from './render-tail.js';
import { OpenaiChatShownAnswer } from './shown-answer.js';
import { OpenaiChatStreamRenderer } from './stream-renderer.js';

/** OpenAI's chat, legacy completions and embeddings, with OpenRouter's extensions. */
export const openaiChatClient: ClientDialect = {
  name: 'openai-chat',
  parseChatRequest,
  parseCompletionRequest,
  parseEmbeddingRequest,
  renderChatResponse,
  renderCompletionResponse,
  renderEmbeddingResponse,
  createStreamRenderer: (identity, apiType) => new OpenaiChatStreamRenderer(identity, apiType),
  createShownAnswer: (maxCharacters) => new OpenaiChatShownAnswer(maxCharacters),
  renderUsageChunk,
  renderWholeTail,
  renderDebugChunk,
  streamEnd: 'data: [DONE]\n\n',
  keepAliveComment: ': OPENROUTER PROCESSING\n\n',
};
