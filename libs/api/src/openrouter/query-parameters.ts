import { z } from 'zod';
import { SwitchyardError } from '@switchyard/errors';
import { parseOrRefuse } from '../invalid-request.js';

/** Query values are text; these say what the text has to be. */
export const queryNumber = z.coerce.number();
export const queryCount = z.coerce.number().int().nonnegative();
export const queryFlag = z.enum(['true', 'false', '1', '0']);
/** Texts separated by commas. */
export const queryList = z.string().max(4_096);
/** As far as messages between services count. */
export const pageOffset = z.coerce.number().int().min(0).max(2_147_483_647);
export const pageLimit = (most: number) => z.coerce.number().int().min(1).max(most);
/** An instant: ISO 8601 with a zone, a date (UTC), or unix milliseconds. */
export const queryTime = z.string().refine((text) => timeOf(text) !== undefined, 'expected an ISO 8601 time, a date or unix milliseconds');

/** Unix milliseconds of a `queryTime`. Ten digits are seconds: as milliseconds they would be a time of which nobody has logs. */
export function timeOf(text: string): number | undefined {
  if (/^\d{12,16}$/.test(text)) return Number(text);
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)) return undefined;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) || !isInCalendar(text.slice(0, 10)) ? undefined : timeMs;
}

/** Of 30 February a date would make 2 March, and of a report of February one with two days of March. */
function isInCalendar(date: string): boolean {
  return new Date(date).toISOString().startsWith(date);
}

export function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

export function flagOf(text: 'true' | 'false' | '1' | '0' | undefined): boolean | undefined {
  return text === undefined ? undefined : text === 'true' || text === '1';
}

/**
 * Parses a query string's values. Empty ones count as absent; unknown names are ignored unless the schema is strict. Only lists may be repeated: of two
 * values for one thing neither can be meant to be left out.
 * @throws SwitchyardError `invalid_request`
 */
export function parseQuery<Schema extends z.ZodObject>(schema: Schema, query: unknown): z.output<Schema> {
  const given: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries((query ?? {}) as Record<string, string | string[]>)) {
    const values = [value].flat().filter((text) => text !== '');
    if (values.length > 0) given[name] = Object.hasOwn(schema.shape, name) ? valueFor(schema.shape[name], name, values) : values.join(',');
  }
  return parseOrRefuse(schema, given);
}

function valueFor(field: z.core.$ZodType | undefined, name: string, values: readonly string[]): string | string[] {
  const wanted = field instanceof z.ZodOptional ? field.unwrap() : field;
  if (wanted instanceof z.ZodArray) return [...values];
  if (values.length > 1 && wanted !== queryList) throw new SwitchyardError('invalid_request', `${name}: given more than once`, { metadata: { param: name } });
  return values.join(',');
}
