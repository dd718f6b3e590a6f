import { z } from 'zod';

/** Answer of `POST /routing/decide`: the plan, or why there is none; and the version of the table that was used. */
export const routingDecisionResponseSchema = z.object({ data: z.looseObject({}), table_version: z.string() });
