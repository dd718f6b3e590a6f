import { asNumber, asObject, asObjects, type JsonObject, type Meters } from '@switchyard/core';
import { tokenCount, TokenSplitter, wholeCounts } from '../../token-splitter.js';

/**
 * Anthropic's usage: `input_tokens` counts what was neither read from nor written to the cache, so the three add up to
 * the prompt. Compaction runs are billed beside the answer and are listed only under `iterations`.
 */
export function anthropicMeters(usage: JsonObject): Meters {
  const runs = [usage, ...asObjects(usage['iterations']).filter((iteration) => iteration['type'] === 'compaction')];
  const sum: Required<Pick<Meters, 'input_uncached' | 'cache_read' | 'cache_write_5m' | 'cache_write_1h' | 'output_text' | 'reasoning'>> = {
    input_uncached: 0,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    output_text: 0,
    reasoning: 0,
  };
  for (const run of runs) {
    sum.input_uncached += tokenCount(run['input_tokens']);
    sum.cache_read += tokenCount(run['cache_read_input_tokens']);
    const written = new TokenSplitter(tokenCount(run['cache_creation_input_tokens']));
    sum.cache_write_1h += written.take(asNumber(asObject(run['cache_creation'])?.['ephemeral_1h_input_tokens']));
    sum.cache_write_5m += written.remainder;
    const output = new TokenSplitter(tokenCount(run['output_tokens']));
    sum.reasoning += output.take(asNumber(asObject(run['output_tokens_details'])?.['thinking_tokens']));
    sum.output_text += output.remainder;
  }
  return wholeCounts({ ...sum, web_search: asNumber(asObject(usage['server_tool_use'])?.['web_search_requests']) ?? 0 });
}
