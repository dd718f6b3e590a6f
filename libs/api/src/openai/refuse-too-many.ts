import { SwitchyardError } from '@switchyard/errors';
import { isObject } from '../parse-json-object.js';

/** @throws SwitchyardError `invalid_request` when a list is longer than its limit; what is no list is for a schema to judge. */
export function refuseTooMany(name: string, value: unknown, limit: number): void {
  if (Array.isArray(value)) refuseCount(name, value.length, 'entries', limit);
}

/**
 * Bounds what the lists called `field` of all entries hold together: a schema takes its time for each item, and nobody else is served meanwhile.
 * @throws SwitchyardError `invalid_request`
 */
export function refuseTooManyWithin(name: string, entries: unknown, field: string, limit: number): void {
  if (!Array.isArray(entries)) return;
  let count = 0;
  for (const entry of entries as unknown[]) {
    const items = isObject(entry) ? entry[field] : undefined;
    if (Array.isArray(items)) count += items.length;
  }
  refuseCount(name, count, `entries in ${field} of all together`, limit);
}

function refuseCount(name: string, count: number, what: string, limit: number): void {
  if (count > limit) throw new SwitchyardError('invalid_request', `${name}: ${count} ${what}, at most ${limit} are accepted`, { metadata: { param: name } });
}
