import { IncomingMessage } from 'node:http';
import { parseJsonObject, parseOrRefuse } from '@switchyard/api';
import type { z } from 'zod';
import { readBody, type BodyLimits, type BodyMemory } from './read-body.js';

const MAX_NESTING_DEPTH = 32;

/** Bodies of management requests. A route reads its own once it knows who sends it. */
export class ManagementBodies {
  constructor(
    private readonly limits: BodyLimits,
    private readonly memory: BodyMemory,
  ) {}

  /**
   * The JSON object in a body, whatever its Content-Type says.
   * @throws SwitchyardError as `use`
   */
  json<Schema extends z.ZodType>(schema: Schema, body: unknown): Promise<z.output<Schema>> {
    return this.use(body, async (bytes) => parseOrRefuse(schema, parseJsonObject(bytes, MAX_NESTING_DEPTH)));
  }

  /**
   * The bytes as they came, none when there was no body; their memory is given back when they are used.
   * @throws SwitchyardError `payload_too_large`, `gateway_unavailable`, `invalid_request`
   */
  async use<Result>(body: unknown, use: (bytes: Buffer) => Promise<Result>): Promise<Result> {
    if (!(body instanceof IncomingMessage)) return use(Buffer.alloc(0));
    const share = this.memory.open();
    try {
      return await use(await readBody(body, this.limits, share));
    } finally {
      share.release();
    }
  }
}
