import { expect } from '@jest/globals';
import { eventually } from '@switchyard/testing';
import pg from 'pg';
import type { Outcome } from './clients.js';
import { sumPico } from './clients.js';

export interface ChargeRow {
  readonly generationId: string;
  readonly keyHash: string;
  readonly acceptTimeMs: number;
  readonly chargePico: bigint;
  readonly excessPico: bigint;
  readonly flags: string;
  /** The event as it was posted. */
  readonly document: Readonly<Record<string, unknown>>;
}

export interface ScopeRow {
  readonly kind: string;
  readonly windowStartMs: number;
  readonly limit: bigint | undefined;
  readonly held: bigint;
  readonly spent: bigint;
}

/** Billing's tables, read beside it. */
export class Books {
  private readonly pool: pg.Pool;

  constructor(databaseUrl: string) {
    this.pool = new pg.Pool({ connectionString: databaseUrl, max: 2, options: '-c search_path=billing' });
  }

  close(): Promise<void> {
    return this.pool.end();
  }

  async chargesOf(accountId: string): Promise<ChargeRow[]> {
    const { rows } = await this.pool.query(
      `SELECT charges.*, coalesce(document, body::jsonb) AS document FROM charges JOIN usage_events USING (event_id) WHERE account_id = $1 ORDER BY charges.generation_id`,
      [accountId],
    );
    return rows.map((row) => ({
      generationId: row.generation_id,
      keyHash: row.key_hash,
      acceptTimeMs: Number(row.accept_time_ms),
      chargePico: BigInt(row.charge_pico),
      excessPico: BigInt(row.excess_pico),
      flags: row.flags,
      document: row.document,
    }));
  }

  async scopesOf(accountId: string): Promise<ScopeRow[]> {
    const { rows } = await this.pool.query('SELECT * FROM lease_scopes WHERE account_id = $1 ORDER BY scope_id', [accountId]);
    return rows.map((row) => ({
      kind: row.kind,
      windowStartMs: Number(row.window_start_ms),
      limit: row.limit_amount === null ? undefined : BigInt(row.limit_amount),
      held: BigInt(row.held),
      spent: BigInt(row.spent),
    }));
  }

  async scope(accountId: string, kind: string, windowStartMs = 0): Promise<ScopeRow> {
    const scope = (await this.scopesOf(accountId)).find((candidate) => candidate.kind === kind && candidate.windowStartMs === windowStartMs);
    if (!scope) throw new Error(`there is no scope ${kind} at ${windowStartMs}`);
    return scope;
  }

  /** What one ledger account stands at: debits are positive. */
  async balanceOf(ledgerAccount: string): Promise<bigint> {
    const { rows } = await this.pool.query('SELECT coalesce(sum(amount_pico), 0) AS balance FROM ledger_entries WHERE ledger_account = $1', [ledgerAccount]);
    return BigInt(rows[0].balance);
  }

  /** Waits until everything is posted, then: what clients were told is what was charged, one by one, and nothing else was. */
  async expectTold(accountId: string, outcomes: readonly Outcome[]): Promise<ChargeRow[]> {
    const told = new Map(outcomes.filter((outcome) => outcome.status === 200).map((outcome) => [outcome.generationId, outcome.costPico]));
    const charges = await eventually(
      async () => {
        const rows = (await this.chargesOf(accountId)).filter((row) => row.chargePico > 0n);
        expect(rows.length).toBe(told.size);
        return rows;
      },
      { timeoutMs: 30_000, intervalMs: 100 },
    );
    expect(new Map(charges.map((row) => [row.generationId, row.chargePico]))).toEqual(told);
    const credit = await this.scope(accountId, 'account_credit');
    expect(credit.spent).toBe(sumPico(charges.map((row) => row.chargePico)));
    return charges;
  }
}
