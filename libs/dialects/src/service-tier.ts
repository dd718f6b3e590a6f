import { asString, type JsonValue } from '@switchyard/core';

/** The tier that a provider says it served, under the name that clients of OpenAI know: Anthropic and Google call the default one `standard`. */
export function serviceTierOf(theirs: JsonValue | undefined): string | undefined {
  const tier = asString(theirs)?.toLowerCase();
  return tier === 'standard' ? 'default' : tier;
}
