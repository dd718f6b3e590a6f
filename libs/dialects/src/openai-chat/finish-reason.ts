import type { FinishReason } from '@switchyard/core';

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  eos: 'stop',
  eos_token: 'stop',
  stop_sequence: 'stop',
  end_turn: 'stop',
  length: 'length',
  max_tokens: 'length',
  model_length: 'length',
  tool_calls: 'tool_calls',
  tool_use: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
  sensitive: 'content_filter',
  safety: 'content_filter',
  refusal: 'content_filter',
  error: 'error',
  network_error: 'error',
  insufficient_system_resource: 'error',
  abort: 'error',
};

/** The words of OpenAI-compatible providers in OpenAI's own. A word we do not know ended the answer all the same: `stop`. */
export function normaliseFinishReason(native: string): FinishReason {
  return FINISH_REASONS[native.toLowerCase()] ?? 'stop';
}
