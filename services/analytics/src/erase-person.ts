import type { Logger } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import { ErasureStore, type Person } from './erasure.store.js';

export type { Person } from './erasure.store.js';

export interface ErasureReport {
  readonly generationCount: number;
  /** Rows of activity by day that bore the user's name. */
  readonly activityCount: number;
}

/**
 * Empties analytics' records of what clients said about a person, while everything runs. Figures, models and times stay, and so do the ledger's records, which
 * nothing may change. It may be repeated, and has to be after a rebuild or a restore, which bring back what events and backups say.
 *
 * @param options.pool connections to analytics' schema
 */
export async function erasePerson({ pool, logger }: { readonly pool: Pool; readonly logger: Logger }, person: Person): Promise<ErasureReport> {
  const store = new ErasureStore(pool);
  const generationCount = await store.eraseGenerations(person);
  const activityCount = person.by === 'user' ? await store.eraseActivity(person.accountId, person.value) : 0;
  // Without the name: logs are kept elsewhere.
  logger.info('Records were emptied of what clients said about a person.', { count: generationCount });
  return { generationCount, activityCount };
}
