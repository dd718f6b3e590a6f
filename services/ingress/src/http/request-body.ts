import { parseJsonObject, parseOrRefuse } from '@switchyard/api';
import type { z } from 'zod';

const MAX_NESTING_DEPTH = 32;

/**
 * The JSON object in a management request's body, whatever its Content-Type says.
 * @throws SwitchyardError `invalid_request`
 */
export function readJsonBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  return parseOrRefuse(schema, parseJsonObject(rawBody(body), MAX_NESTING_DEPTH));
}

/** The bytes as they came; none when there was no body. */
export function rawBody(body: unknown): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}
