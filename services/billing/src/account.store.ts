import type { Queryable } from '@switchyard/db';

export interface AccountRow {
  readonly accountId: string;
  readonly requestsPerMinute: bigint | null;
  readonly tokensPerMinute: bigint | null;
  readonly zdr: boolean;
  readonly allowedProviders: string[];
  readonly ignoredProviders: string[];
  readonly hasPurchased: boolean;
  readonly isNegative: boolean;
}

export type AccountSettings = Pick<AccountRow, 'requestsPerMinute' | 'tokensPerMinute' | 'zdr' | 'allowedProviders' | 'ignoredProviders'>;

const COLUMNS = `account_id AS "accountId", requests_per_minute AS "requestsPerMinute", tokens_per_minute AS "tokensPerMinute", zdr,
  allowed_providers AS "allowedProviders", ignored_providers AS "ignoredProviders", has_purchased AS "hasPurchased", is_negative AS "isNegative"`;

export interface NewAccount {
  readonly accountId: string;
  readonly name: string;
  readonly workspaceId: string;
  readonly nowMs: number;
}

/** The account with its default workspace and its credit's scope; what exists already stays as it is. Returns the workspace. */
export async function insertAccount(client: Queryable, account: NewAccount): Promise<string> {
  const { accountId, name, workspaceId, nowMs } = account;
  await client.query('INSERT INTO accounts (account_id, name, created_at) VALUES ($1, $2, to_timestamp($3::bigint / 1000.0)) ON CONFLICT DO NOTHING', [
    accountId,
    name,
    nowMs,
  ]);
  await client.query(
    `INSERT INTO workspaces (workspace_id, account_id, name, is_default, created_at)
     VALUES ($1, $2, 'Default', true, to_timestamp($3::bigint / 1000.0)) ON CONFLICT (account_id) WHERE is_default DO NOTHING`,
    [workspaceId, accountId, nowMs],
  );
  await client.query(`INSERT INTO lease_scopes (kind, account_id, window_start_ms, limit_amount) VALUES ('account_credit', $1, 0, 0) ON CONFLICT DO NOTHING`, [
    accountId,
  ]);
  const { rows } = await client.query<{ id: string }>('SELECT workspace_id AS id FROM workspaces WHERE account_id = $1 AND is_default', [accountId]);
  return rows[0]!.id;
}

export async function findAccounts(client: Queryable, accountIds: readonly string[]): Promise<AccountRow[]> {
  const { rows } = await client.query<AccountRow>(`SELECT ${COLUMNS} FROM accounts WHERE account_id = ANY($1::text[])`, [accountIds]);
  return rows;
}

/** For a change: other changes of the account wait. */
export async function lockAccount(client: Queryable, accountId: string): Promise<AccountRow | undefined> {
  const { rows } = await client.query<AccountRow>(`SELECT ${COLUMNS} FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE`, [accountId]);
  return rows[0];
}

export async function updateSettings(client: Queryable, accountId: string, settings: AccountSettings): Promise<void> {
  await client.query(
    `UPDATE accounts SET requests_per_minute = $2, tokens_per_minute = $3, zdr = $4, allowed_providers = $5, ignored_providers = $6 WHERE account_id = $1`,
    [accountId, settings.requestsPerMinute, settings.tokensPerMinute, settings.zdr, settings.allowedProviders, settings.ignoredProviders],
  );
}

/** Returns whether the account has just reached the threshold. */
export async function addPurchase(client: Queryable, accountId: string, amountPico: bigint, thresholdPico: bigint): Promise<boolean> {
  const { rowCount } = await client.query(
    `WITH before AS (SELECT has_purchased FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE),
          after AS (UPDATE accounts SET purchased_pico = purchased_pico + $2, has_purchased = purchased_pico + $2 >= $3::numeric WHERE account_id = $1 RETURNING has_purchased)
     SELECT 1 FROM before, after WHERE before.has_purchased <> after.has_purchased`,
    [accountId, amountPico, thresholdPico],
  );
  return rowCount !== 0;
}

/** Sets what the balances say; returns the accounts for which that is news. Ids must be sorted. */
export async function updateNegative(client: Queryable, accountIds: readonly string[], isNegative: readonly boolean[]): Promise<string[]> {
  const { rows } = await client.query<{ accountId: string }>(
    `UPDATE accounts SET is_negative = fact.is_negative FROM unnest($1::text[], $2::boolean[]) AS fact (account_id, is_negative)
      WHERE accounts.account_id = fact.account_id AND accounts.is_negative <> fact.is_negative RETURNING accounts.account_id AS "accountId"`,
    [accountIds, isNegative],
  );
  return rows.map((row) => row.accountId);
}

export async function workspaceBelongsTo(client: Queryable, workspaceId: string, accountId: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT 1 FROM workspaces WHERE workspace_id = $1 AND account_id = $2', [workspaceId, accountId]);
  return rowCount !== 0;
}

export async function defaultWorkspace(client: Queryable, accountId: string): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string }>('SELECT workspace_id AS id FROM workspaces WHERE account_id = $1 AND is_default', [accountId]);
  return rows[0]?.id;
}
