import { withTransaction } from '@switchyard/db';
import type { Pool } from 'pg';
import { storable, storableUser } from './core/activity-sums.js';
import { withoutPerson } from './core/erasure.js';

/** Whose data: of one account, what one `user` or one session left, or one generation. */
export interface Person {
  readonly accountId: string;
  readonly by: 'user' | 'session' | 'generation';
  /** As clients sent it; never empty. */
  readonly value: string;
}

const BATCH_SIZE = 500;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const COLUMN = { user: 'external_user', session: 'session_id', generation: 'generation_id' } as const;
const DIMENSIONS = 'account_id, day, endpoint_id, model, model_permaslug, provider_name, workspace_id, key_hash';
const COUNTERS = ['usage_pico', 'request_count', 'prompt_token_count', 'completion_token_count', 'reasoning_token_count'];

/** Rows stay, with their ids and figures: an event that is delivered again finds its id and brings nothing back. */
export class ErasureStore {
  constructor(private readonly pool: Pool) {}

  /** How many generations were emptied of what their client said. */
  async eraseGenerations(person: Person): Promise<number> {
    let count = 0;
    for (let after: string | undefined = FIRST_ID; after !== undefined;) {
      const ids: string[] = await this.eraseBatch(person, after);
      count += ids.length;
      after = ids.at(-1);
    }
    return count;
  }

  /** Adds a user's days to those of nobody; how many rows there were. */
  async eraseActivity(accountId: string, user: string): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(
      `WITH moved AS (DELETE FROM activity_daily WHERE account_id = $1 AND external_user = $2 RETURNING *),
            kept AS (INSERT INTO activity_daily (${DIMENSIONS}, external_user, ${COUNTERS.join(', ')})
                     SELECT ${DIMENSIONS}, '', ${COUNTERS.join(', ')} FROM moved
                     ON CONFLICT (${DIMENSIONS}, external_user) DO UPDATE SET ${COUNTERS.map((column) => `${column} = activity_daily.${column} + excluded.${column}`).join(', ')})
       SELECT count(*)::int AS count FROM moved`,
      [accountId, storableUser(user)],
    );
    return rows[0]?.count ?? 0;
  }

  private eraseBatch({ accountId, by, value }: Person, after: string): Promise<string[]> {
    return withTransaction(this.pool, async (client) => {
      const { rows } = await client.query<{ event_id: string; event: string }>(
        `SELECT event_id, coalesce(body, event::text) AS event FROM generation
          WHERE account_id = $1 AND ${COLUMN[by]} = $2 AND event_id > $3 ORDER BY event_id LIMIT ${BATCH_SIZE} FOR UPDATE`,
        [accountId, storable(value), after],
      );
      await client.query(
        `UPDATE generation SET body = given.body, event = NULL, http_referer = '', app_title = '', external_user = '', session_id = ''
           FROM unnest($1::uuid[], $2::text[]) AS given (event_id, body) WHERE generation.event_id = given.event_id`,
        [rows.map((row) => row.event_id), rows.map((row) => withoutPerson(row.event))],
      );
      return rows.map((row) => row.event_id);
    });
  }
}
