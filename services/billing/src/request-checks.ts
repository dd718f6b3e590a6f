import { SwitchyardError } from '@switchyard/errors';

/** What messages can carry: as pico-USD a good 9.2 million USD. */
export const INT64_MAX = 9_223_372_036_854_775_807n;
const MAX_ID_LENGTH = 128;

/** Checks of what callers send; each throws `invalid_request` and names the field. */
export function requireId(value: string, field: string): string {
  if (value === '' || value.length > MAX_ID_LENGTH || /[\p{Cc}\p{Cs}]/u.test(value))
    throw invalid(`${field} must have 1 to ${MAX_ID_LENGTH} characters, none of them a control character.`);
  return value;
}

export function requireText(value: string, field: string, maxLength: number, minLength = 0): string {
  if (value.length < minLength || value.length > maxLength || value.includes('\u0000'))
    throw invalid(`${field} must have ${minLength} to ${maxLength} characters.`);
  return value;
}

export function requireAtLeast(value: bigint, least: bigint, field: string): bigint {
  if (value < least || value > INT64_MAX) throw invalid(`${field} must be within ${least} and ${INT64_MAX}.`);
  return value;
}

export function optionalAtLeast(value: bigint | undefined, least: bigint, field: string): bigint | null {
  return value === undefined ? null : requireAtLeast(value, least, field);
}

export function requireList<Item>(values: readonly Item[], field: string, maxLength: number, minLength = 0): readonly Item[] {
  if (values.length < minLength || values.length > maxLength) throw invalid(`${field} must have ${minLength} to ${maxLength} items.`);
  return values;
}

/** Names must be among those allowed. */
export function requireMask<Name extends string>(mask: readonly string[], allowed: readonly Name[]): ReadonlySet<Name> {
  const names = new Set<Name>();
  for (const name of mask) {
    const found = allowed.find((candidate) => candidate === name);
    if (found === undefined) throw invalid(`update_mask names "${name.slice(0, 64)}", which cannot be changed. Changeable: ${allowed.join(', ')}.`);
    names.add(found);
  }
  return names;
}

export function invalid(message: string): SwitchyardError {
  return new SwitchyardError('invalid_request', message);
}
