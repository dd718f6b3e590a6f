import type { JsonObject } from '@switchyard/api';

/** What a client asks of a gateway that this one does not do, as warnings: requests made for others work, and nobody believes in what did not happen. */
export function unservedWishes(body: JsonObject): string[] {
  const warnings: string[] = [];
  const preset = body['preset'];
  if (typeof preset === 'string' && preset !== '') warnings.push(`preset: ${preset} was not applied; there are no presets here.`);
  for (const plugin of listOf<{ id: string; enabled?: boolean | null }>(body['plugins'])) {
    if (plugin.enabled !== false) warnings.push(`plugins: ${plugin.id} is not offered; the request went on without.`);
  }
  for (const transform of listOf<string>(body['transforms'])) warnings.push(`transforms: ${transform} is not offered; the prompt was sent whole.`);
  return warnings;
}

/** As the schema of the request has checked it. */
function listOf<Item>(value: unknown): readonly Item[] {
  return Array.isArray(value) ? (value as readonly Item[]) : [];
}
