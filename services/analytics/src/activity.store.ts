import { batchInsert, withTransaction, type Queryable } from '@switchyard/db';
import type { analytics } from '@switchyard/proto';
import type { Pool } from 'pg';
import { storableUser, sumActivity, type ActivitySum } from './core/activity-sums.js';
import type { StoredGeneration } from './generation.store.js';

/** Empty texts filter nothing; days are `YYYY-MM-DD`, both inclusive. */
export interface ActivityFilter {
  readonly accountId: string;
  readonly firstDay: string;
  readonly lastDay: string;
  readonly keyHash: string;
  readonly user: string;
  readonly workspaceId: string;
  readonly isGroupedByWorkspace: boolean;
}

const COUNTERS = ['usage_pico', 'request_count', 'prompt_token_count', 'completion_token_count', 'reasoning_token_count'] as const;

const addActivity = batchInsert({
  table: 'activity_daily',
  columns: {
    account_id: 'text',
    day: 'date',
    endpoint_id: 'text',
    model: 'text',
    model_permaslug: 'text',
    provider_name: 'text',
    workspace_id: 'text',
    key_hash: 'text',
    external_user: 'text',
    usage_pico: 'bigint',
    request_count: 'bigint',
    prompt_token_count: 'bigint',
    completion_token_count: 'bigint',
    reasoning_token_count: 'bigint',
  },
  suffix: `ON CONFLICT (account_id, day, endpoint_id, model, model_permaslug, provider_name, workspace_id, key_hash, external_user)
           DO UPDATE SET ${COUNTERS.map((column) => `${column} = activity_daily.${column} + excluded.${column}`).join(', ')}`,
});

export class ActivityStore {
  constructor(private readonly pool: Pool) {}

  async add(client: Queryable, generations: readonly StoredGeneration[]): Promise<void> {
    await addActivity(client, sumActivity(generations).map(toRow));
  }

  /** Newest day first, then by spend. Ends at once when nobody waits for it any more. */
  async list(filter: ActivityFilter, signal?: AbortSignal): Promise<analytics.ActivityRow[]> {
    return withTransaction(this.pool, (client) => listActivity(client, filter), { readOnly: true, signal });
  }
}

/** There is a row for each key and user of a day: with many of them it takes a while. */
async function listActivity(client: Queryable, filter: ActivityFilter): Promise<analytics.ActivityRow[]> {
  const workspace = filter.isGroupedByWorkspace ? 'workspace_id' : "''";
  const { rows } = await client.query<Record<string, string>>({
    name: filter.isGroupedByWorkspace ? 'list_activity_by_workspace' : 'list_activity',
    text: `SELECT to_char(day, 'YYYY-MM-DD') AS day, model, model_permaslug, endpoint_id, provider_name, ${workspace} AS workspace_id,
                    ${COUNTERS.map((column) => `sum(${column})::text AS ${column}`).join(', ')}
             FROM activity_daily
             WHERE account_id = $1 AND day BETWEEN $2 AND $3 AND ($4 = '' OR key_hash = $4) AND ($5 = '' OR external_user = $5) AND ($6 = '' OR workspace_id = $6)
             GROUP BY activity_daily.day, model, model_permaslug, endpoint_id, provider_name, ${filter.isGroupedByWorkspace ? 'workspace_id' : '()'}
             ORDER BY activity_daily.day DESC, sum(usage_pico) DESC, model, endpoint_id`,
    values: [filter.accountId, filter.firstDay, filter.lastDay, filter.keyHash, storableUser(filter.user), filter.workspaceId],
  });
  return rows.map(fromRow);
}

function toRow(sum: ActivitySum) {
  return {
    account_id: sum.accountId,
    day: sum.day,
    endpoint_id: sum.endpointId,
    model: sum.model,
    model_permaslug: sum.modelPermaslug,
    provider_name: sum.providerName,
    workspace_id: sum.workspaceId,
    key_hash: sum.keyHash,
    external_user: sum.externalUser,
    usage_pico: sum.usagePico,
    request_count: sum.requestCount,
    prompt_token_count: sum.promptTokenCount,
    completion_token_count: sum.completionTokenCount,
    reasoning_token_count: sum.reasoningTokenCount,
  };
}

function fromRow(row: Record<string, string>): analytics.ActivityRow {
  return {
    date: row['day'] ?? '',
    model: row['model'] ?? '',
    modelPermaslug: row['model_permaslug'] ?? '',
    endpointId: row['endpoint_id'] ?? '',
    providerName: row['provider_name'] ?? '',
    usagePico: BigInt(row['usage_pico'] ?? 0),
    byokUsagePico: 0n,
    requestCount: BigInt(row['request_count'] ?? 0),
    promptTokenCount: BigInt(row['prompt_token_count'] ?? 0),
    completionTokenCount: BigInt(row['completion_token_count'] ?? 0),
    reasoningTokenCount: BigInt(row['reasoning_token_count'] ?? 0),
    workspaceId: row['workspace_id'] ?? '',
  };
}
