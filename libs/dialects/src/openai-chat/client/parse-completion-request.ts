import { type CanonicalChatRequest, type JsonObject } from '@switchyard/core';
import { parseChatRequest } from './parse-chat-request.js';
import { RequestFields } from './request-fields.js';

/** Fields of the legacy API that ask for what one chat answer cannot give. */
const REFUSED_WHEN_SET = ['suffix', 'best_of'] as const;

/** The chat body that stands for a legacy completion: the prompt becomes the one user message. @throws SwitchyardError `invalid_request` */
function chatBodyOfCompletion(body: JsonObject): JsonObject {
  const fields = new RequestFields(body);
  const given = body['prompt'];
  const prompt = Array.isArray(given) && given.length === 1 ? given[0] : given;
  if (typeof prompt !== 'string') throw fields.wrong('prompt', 'a string, or an array of one string');
  for (const name of REFUSED_WHEN_SET) {
    if (fields.has(name) && body[name] !== 1) throw fields.wrong(name, 'left out: this endpoint does not offer it');
  }
  if (body['echo'] === true) throw fields.wrong('echo', 'false: this endpoint does not offer it');
  const { prompt: _prompt, suffix: _suffix, best_of: _bestOf, echo: _echo, logprobs, ...rest } = body;
  const chat: JsonObject = { ...rest, messages: [{ role: 'user', content: prompt }] };
  // Legacy `logprobs` is a count.
  if (typeof logprobs === 'number') Object.assign(chat, { logprobs: true, top_logprobs: logprobs });
  return chat;
}

export function parseCompletionRequest(body: JsonObject): CanonicalChatRequest {
  return parseChatRequest(chatBodyOfCompletion(body));
}
