import type { Queryable } from './batch-insert.js';
import { EndingClient } from './ending-client.js';

/** How much longer than the server lets a statement run its answer is awaited. */
export const ANSWER_MARGIN_MS = 10_000;

/** For the rest of a transaction: how long each statement may take; 0: as long as it takes. */
export async function allowStatementTime(client: Queryable, timeoutMs: number): Promise<void> {
  if (client instanceof EndingClient) client.awaitAnswersFor(timeoutMs === 0 ? 0 : timeoutMs + ANSWER_MARGIN_MS);
  await client.query(`SET LOCAL statement_timeout = ${timeoutMs}`);
}
