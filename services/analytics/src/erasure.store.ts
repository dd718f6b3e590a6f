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

/** Where a walk through an account's generations has come to. */
interface Position {
  readonly acceptTimeMs: bigint;
  readonly eventId: string;
}

interface Step {
  readonly erasedCount: number;
  /** Undefined at the end. */
  readonly last: Position | undefined;
}

/** Rows that one statement looks at: it ends in time however many an account has. */
const STEP_SIZE = 1_000;
const BEFORE_ALL: Position = { acceptTimeMs: -1n, eventId: '00000000-0000-0000-0000-000000000000' };
const BEFORE_ALL_DAYS = '-infinity';
const COLUMN = { user: 'external_user', session: 'session_id', generation: 'generation_id' } as const;
/**
 * Sessions and generations are found by an index. Users have none, which every request would pay for and hardly anybody would use: all of the account's rows
 * are looked at, in the order of the index that lists them.
 */
const AMONG = { user: '', session: `AND session_id = $2 AND session_id <> ''`, generation: 'AND generation_id = $2' } as const;
const DIMENSIONS = 'account_id, day, endpoint_id, model, model_permaslug, provider_name, workspace_id, key_hash';
const COUNTERS = ['usage_pico', 'request_count', 'prompt_token_count', 'completion_token_count', 'reasoning_token_count'];

/** Rows stay, with their ids and figures: an event that is delivered again finds its id and brings nothing back. */
export class ErasureStore {
  constructor(private readonly pool: Pool) {}

  /** How many generations were emptied of what their client said. */
  async eraseGenerations(person: Person): Promise<number> {
    // Kept like the user or session of those who name none.
    if (storable(person.value) === '') return 0;
    let count = 0;
    for (let after: Position | undefined = BEFORE_ALL; after !== undefined;) {
      const step: Step = await this.eraseStep(person, after);
      count += step.erasedCount;
      after = step.last;
    }
    return count;
  }

  /** Adds a user's days to those of nobody, one by one; how many rows there were. */
  async eraseActivity(accountId: string, user: string): Promise<number> {
    if (storableUser(user) === '') return 0;
    let count = 0;
    for (let day = await this.dayAfter(accountId, BEFORE_ALL_DAYS); day !== undefined; day = await this.dayAfter(accountId, day))
      count += await this.eraseDay(accountId, day, user);
    return count;
  }

  private async eraseStep({ accountId, by, value }: Person, after: Position): Promise<Step> {
    const { rows } = await this.pool.query<{ accept_time_ms: bigint; event_id: string; is_theirs: boolean }>(
      `SELECT accept_time_ms, event_id, ${COLUMN[by]} = $2 AS is_theirs FROM generation
        WHERE account_id = $1 AND (accept_time_ms, event_id) > ($3, $4::uuid) ${AMONG[by]} ORDER BY accept_time_ms, event_id LIMIT ${STEP_SIZE}`,
      [accountId, storable(value), after.acceptTimeMs, after.eventId],
    );
    const eventIds = rows.filter((row) => row.is_theirs).map((row) => row.event_id);
    const last = rows.at(-1);
    return {
      erasedCount: eventIds.length === 0 ? 0 : await this.eraseRows(eventIds),
      last: last && { acceptTimeMs: last.accept_time_ms, eventId: last.event_id },
    };
  }

  private eraseRows(eventIds: readonly string[]): Promise<number> {
    return withTransaction(this.pool, async (client) => {
      const { rows } = await client.query<{ event_id: string; event: string }>(
        `SELECT event_id, coalesce(body, event::text) AS event FROM generation WHERE event_id = ANY ($1::uuid[]) ORDER BY event_id FOR UPDATE`,
        [eventIds],
      );
      await client.query(
        `UPDATE generation SET body = given.body, event = NULL, http_referer = '', app_title = '', external_user = '', session_id = ''
           FROM unnest($1::uuid[], $2::text[]) AS given (event_id, body) WHERE generation.event_id = given.event_id`,
        [rows.map((row) => row.event_id), rows.map((row) => withoutPerson(row.event))],
      );
      return rows.length;
    });
  }

  /** The account's next day with activity. */
  private async dayAfter(accountId: string, day: string): Promise<string | undefined> {
    const { rows } = await this.pool.query<{ day: string | null }>(
      'SELECT min(day)::text AS day FROM activity_daily WHERE account_id = $1 AND day > $2::date',
      [accountId, day],
    );
    return rows[0]?.day ?? undefined;
  }

  /** Repeated when it met a batch of events of the same day: both add to the rows of nobody and of the user, each in an order of its own. */
  private eraseDay(accountId: string, day: string, user: string): Promise<number> {
    return withTransaction(this.pool, async (client) => {
      const { rows } = await client.query<{ count: number }>(
        `WITH moved AS (DELETE FROM activity_daily WHERE account_id = $1 AND day = $2::date AND external_user = $3 RETURNING *),
              kept AS (INSERT INTO activity_daily (${DIMENSIONS}, external_user, ${COUNTERS.join(', ')})
                       SELECT ${DIMENSIONS}, '', ${COUNTERS.join(', ')} FROM moved
                       ON CONFLICT (${DIMENSIONS}, external_user) DO UPDATE SET ${COUNTERS.map((column) => `${column} = activity_daily.${column} + excluded.${column}`).join(', ')})
         SELECT count(*)::int AS count FROM moved`,
        [accountId, day, storableUser(user)],
      );
      return rows[0]?.count ?? 0;
    });
  }
}
