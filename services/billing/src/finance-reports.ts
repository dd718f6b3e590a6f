import { monthWindow, type Clock } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import type { billing } from '@switchyard/proto';
import type { Pool, PoolClient } from 'pg';
import { unknownAccount } from './account.service.js';
import { LEDGER } from './core/ledger-transaction.js';
import { encodePosition, parseSpendQuery, periodOf, type SpendQuery } from './core/spend-query.js';
import { boundedLines, makeStatement } from './core/statement.js';
import { findKeys } from './key.store.js';
import { readBalances } from './ledger.store.js';
import { invalid, requireId } from './request-checks.js';
import { readSpend, type SpendGroup } from './spend.store.js';
import {
  allowLongReads,
  hasOpenLeases,
  readAccountBalance,
  readCharged,
  readKeyLines,
  readModelLines,
  readMovements,
  readStatementEntries,
  type Period,
} from './statement.store.js';

const SNAPSHOT = { isolation: 'REPEATABLE READ', readOnly: true } as const;
const MAX_LINES = 1_000;
const MAX_ENTRIES = 1_000;
/** Characters of what spend is grouped by, in one answer. */
const MAX_PAGE_LENGTH = 2_000_000;

export interface FinanceReportsOptions {
  /** How long a request may take after it was accepted, and ask for leases. */
  readonly leaseSettleMarginMs: number;
}

/**
 * What finance asks: spend by whatever requests were tagged with, and statements. Each answer comes out of one snapshot. One that nobody waits for any more
 * ends at once, in the middle of a reading.
 */
export class FinanceReports {
  constructor(
    private readonly pool: Pool,
    private readonly clock: Clock,
    private readonly options: FinanceReportsOptions,
  ) {}

  /** @throws SwitchyardError `invalid_request` */
  async listSpend(request: billing.ListSpendRequest, signal?: AbortSignal): Promise<billing.ListSpendResponse> {
    const query = parseSpendQuery(request);
    return withTransaction(
      this.pool,
      async (client) => {
        const { groups: read, hasMore, total } = await readSpend(client, query);
        const groups = withinPage(read);
        return {
          rows: groups.map((group) => spendRow(query, group)),
          nextCursor: hasMore || groups.length < read.length ? encodePosition(groups.at(-1)!) : '',
          total,
          keys: await this.keysOf(client, query, groups),
        };
      },
      { ...SNAPSHOT, signal },
    );
  }

  /** @throws SwitchyardError `invalid_request`, `not_found` */
  async getStatement(request: billing.GetStatementRequest, signal?: AbortSignal): Promise<billing.GetStatementResponse> {
    const accountId = requireId(request.accountId, 'account_id');
    const period = requireMonth(request.month);
    return withTransaction(
      this.pool,
      async (client) => {
        await allowLongReads(client);
        const account = await readAccountBalance(client, accountId);
        if (!account) throw unknownAccount(accountId);
        const charged = await readCharged(client, accountId, period);
        const nowMs = this.clock.nowMs();
        // What was accepted in the month's last moment may get its leases after it.
        const lastLeaseMs = period.endMs + this.options.leaseSettleMarginMs;
        const balances = await readBalances(client, [LEDGER.credits(accountId), LEDGER.receivable(accountId)]);
        const statement = makeStatement({
          ...account,
          ...period,
          accountId,
          month: request.month,
          nowMs,
          present: { creditsPico: balances.get(LEDGER.credits(accountId)) ?? 0n, receivablePico: balances.get(LEDGER.receivable(accountId)) ?? 0n },
          movements: await readMovements(client, accountId, period),
          charged,
          byKey: boundedLines(await readKeyLines(client, accountId, period, MAX_LINES), charged, MAX_LINES),
          byModel: boundedLines(await readModelLines(client, accountId, period, MAX_LINES), charged, MAX_LINES),
          ...(await readStatementEntries(client, accountId, period, MAX_ENTRIES)),
          isProvisional: nowMs < lastLeaseMs || (await hasOpenLeases(client, accountId, lastLeaseMs)),
        });
        return { statement };
      },
      { ...SNAPSHOT, signal },
    );
  }

  private async keysOf(client: PoolClient, query: SpendQuery, groups: readonly SpendGroup[]): Promise<billing.SpendKey[]> {
    const position = query.groupBy.findIndex((dimension) => dimension.kind === 'key');
    if (position < 0) return [];
    const keys = await findKeys(client, [...new Set(groups.map(({ group }) => group[position]!))]);
    return keys.filter((key) => key.accountId === query.accountId).map(({ keyHash, name, label }) => ({ hash: keyHash, name, label }));
  }
}

/** As many as one message should carry: clients name users and apps as long as they please. */
function withinPage(groups: readonly SpendGroup[]): readonly SpendGroup[] {
  let length = 0;
  const end = groups.findIndex(({ group }) => {
    length += group.reduce((sum, value) => sum + value.length, 0);
    return length > MAX_PAGE_LENGTH;
  });
  return end < 0 ? groups : groups.slice(0, Math.max(1, end));
}

function spendRow(query: SpendQuery, { periodStartMs, group, sums }: SpendGroup): billing.SpendRow {
  const { startMs, endMs } = periodOf(query, periodStartMs);
  return { periodStartMs: BigInt(startMs), periodEndMs: BigInt(endMs), group: [...group], sums };
}

function requireMonth(month: string): Period {
  if (!/^[2-9]\d{3}-(0[1-9]|1[0-2])$/.test(month)) throw invalid('month must be YYYY-MM.');
  const { startMs, endMs } = monthWindow(Date.parse(`${month}-01T00:00:00Z`));
  return { startMs, endMs: endMs! };
}
