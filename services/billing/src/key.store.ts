import type { LimitReset } from '@switchyard/core';
import type { Queryable } from '@switchyard/db';

export interface KeyRow {
  readonly keyHash: string;
  readonly accountId: string;
  readonly workspaceId: string;
  readonly kind: 'inference' | 'management';
  readonly name: string;
  readonly label: string;
  readonly disabled: boolean;
  readonly deleted: boolean;
  readonly limitPico: bigint | null;
  readonly limitReset: LimitReset;
  readonly includeByokInLimit: boolean;
  readonly expiresAtMs: bigint | null;
  readonly allowedModels: string[];
  readonly requestsPerMinute: bigint | null;
  readonly tokensPerMinute: bigint | null;
  readonly creatorUserId: string;
  readonly externalUser: string;
  readonly costCentre: string;
  readonly includeContentInTraces: boolean;
  readonly createdAtMs: bigint;
  readonly updatedAtMs: bigint | null;
  readonly version: bigint;
}

/** The columns by field; their order is that of every statement below. */
const COLUMN_OF: Readonly<Record<keyof KeyRow, string>> = {
  keyHash: 'key_hash',
  accountId: 'account_id',
  workspaceId: 'workspace_id',
  kind: 'kind',
  name: 'name',
  label: 'label',
  disabled: 'disabled',
  deleted: 'deleted',
  limitPico: 'limit_pico',
  limitReset: 'limit_reset',
  includeByokInLimit: 'include_byok_in_limit',
  expiresAtMs: 'expires_at_ms',
  allowedModels: 'allowed_models',
  requestsPerMinute: 'requests_per_minute',
  tokensPerMinute: 'tokens_per_minute',
  creatorUserId: 'creator_user_id',
  externalUser: 'external_user',
  costCentre: 'cost_centre',
  includeContentInTraces: 'include_content_in_traces',
  createdAtMs: 'created_at_ms',
  updatedAtMs: 'updated_at_ms',
  version: 'version',
};

const FIELDS = Object.keys(COLUMN_OF) as (keyof KeyRow)[];
const SELECTED = FIELDS.map((field) => `${COLUMN_OF[field]} AS "${field}"`).join(', ');
const INSERT = `INSERT INTO api_keys (${FIELDS.map((field) => COLUMN_OF[field]).join(', ')}) VALUES (${FIELDS.map((_, index) => `$${index + 1}`).join(', ')})`;
const UPDATE = `UPDATE api_keys SET ${FIELDS.slice(1)
  .map((field, index) => `${COLUMN_OF[field]} = $${index + 2}`)
  .join(', ')} WHERE key_hash = $1`;

export async function insertKey(client: Queryable, key: KeyRow): Promise<void> {
  await client.query(INSERT, valuesOf(key));
}

export async function replaceKey(client: Queryable, key: KeyRow): Promise<void> {
  await client.query(UPDATE, valuesOf(key));
}

export async function findKeys(client: Queryable, keyHashes: readonly string[]): Promise<KeyRow[]> {
  const { rows } = await client.query<KeyRow>(`SELECT ${SELECTED} FROM api_keys WHERE key_hash = ANY($1::text[])`, [keyHashes]);
  return rows;
}

/** For a change of the key; other changes wait, usage that is being counted does not. */
export async function lockKey(client: Queryable, keyHash: string): Promise<KeyRow | undefined> {
  const { rows } = await client.query<KeyRow>(`SELECT ${SELECTED} FROM api_keys WHERE key_hash = $1 FOR NO KEY UPDATE`, [keyHash]);
  return rows[0];
}

/** Waits until no transaction counts usage of the key, and keeps new ones waiting. */
export async function lockKeyUsage(client: Queryable, keyHash: string): Promise<void> {
  await client.query('SELECT 1 FROM api_keys WHERE key_hash = $1 FOR UPDATE', [keyHash]);
}

/** Says that the surrounding transaction counts usage of these keys, so that no scope is begun from old counts. Sorted hashes. */
export async function shareKeyUsage(client: Queryable, keyHashes: readonly string[]): Promise<void> {
  await client.query({
    name: 'share_key_usage',
    // A join, because the plan that is kept would compare every key with every hash of an array. Counted, so that no rows come back.
    text: `SELECT count(*) FROM (
             SELECT 1 FROM unnest($1::text[]) AS used (key_hash) JOIN api_keys USING (key_hash) ORDER BY key_hash FOR KEY SHARE OF api_keys
           ) AS shared`,
    values: [keyHashes],
  });
}

export interface KeyFilter {
  readonly accountId: string;
  /** Empty: all. */
  readonly workspaceId: string;
  readonly includeDisabled: boolean;
  readonly offset: number;
  readonly limit: number;
}

export async function listKeys(client: Queryable, filter: KeyFilter): Promise<KeyRow[]> {
  const { rows } = await client.query<KeyRow>(
    `SELECT ${SELECTED} FROM api_keys WHERE account_id = $1 AND NOT deleted AND ($2 = '' OR workspace_id = $2) AND ($3 OR NOT disabled)
      ORDER BY created_at_ms DESC, key_hash OFFSET $4 LIMIT $5`,
    [filter.accountId, filter.workspaceId, filter.includeDisabled, filter.offset, filter.limit],
  );
  return rows;
}

function valuesOf(key: KeyRow): unknown[] {
  return FIELDS.map((field) => key[field]);
}
