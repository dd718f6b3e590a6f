import type { Clock } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import { PoisonEventError, type ConsumedRecord } from '@switchyard/events';
import { events } from '@switchyard/proto';
import type { Pool, PoolClient } from 'pg';
import { updateNegative } from './account.store.js';
import { isNegative } from './account.service.js';
import { appendChanges } from './change.store.js';
import { dayWindow } from './core/limit-window.js';
import { chargeTransaction, costTransaction, type LedgerTransaction } from './core/ledger-transaction.js';
import { SettlementState } from './core/settle-charges.js';
import { addKeyUsage, type KeyUsageDay } from './key-usage.store.js';
import { shareKeyUsage } from './key.store.js';
import { findCreditAndLimitScopes, lockScopes, saveScopes, type ScopeRow } from './lease-scope.store.js';
import { findScopesOfLeases, readLeases, saveLeases } from './lease.store.js';
import { postTransactions } from './ledger.store.js';
import { findEstimates, insertAttemptCosts, insertCharges, insertCorrections, recordEvents, type ChargeRow, type UsageEventRow } from './usage-event.store.js';

export interface ChargeItem {
  readonly kind: 'generation';
  readonly event: events.GenerationCompleted;
  readonly document: string;
  readonly record: ConsumedRecord;
}

export interface CostItem {
  readonly kind: 'attempt';
  readonly event: events.AttemptCompleted;
  readonly document: string;
  readonly record: ConsumedRecord;
}

export type UsageItem = ChargeItem | CostItem;

/** What a batch came to, for metrics. */
export interface PostingReport {
  readonly chargeCount: number;
  readonly attemptCount: number;
  readonly correctionCount: number;
  readonly lateCount: number;
  readonly underestimatedCount: number;
  readonly excessPico: bigint;
}

interface SettledCharges {
  readonly transactions: readonly LedgerTransaction[];
  readonly creditScopes: readonly ScopeRow[];
  readonly lateCount: number;
  readonly underestimatedCount: number;
  readonly excessPico: bigint;
}

const NO_CHARGES: SettledCharges = { transactions: [], creditScopes: [], lateCount: 0, underestimatedCount: 0, excessPico: 0n };
const LEASE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Posts verified usage events: in one transaction the events are recorded, leases settled, charges and costs journalled and
 * every balance moved once. An event whose id is known already has no effect.
 */
export class UsagePosting {
  constructor(
    private readonly pool: Pool,
    private readonly clock: Clock,
  ) {}

  /** @throws PoisonEventError for events that can never be posted; then nothing was. */
  async post(items: readonly UsageItem[]): Promise<PostingReport> {
    return withTransaction(this.pool, async (client) => {
      const nowMs = this.clock.nowMs();
      const fresh = await this.recordFresh(client, items, nowMs);
      const charges = fresh.filter((item) => item.kind === 'generation');
      const attempts = fresh.filter((item) => item.kind === 'attempt');
      const costs = await this.postCosts(client, attempts);
      const settled = charges.length === 0 ? NO_CHARGES : await this.settleCharges(client, charges, nowMs);
      await postTransactions(client, [...settled.transactions, ...costs.transactions], nowMs);
      await this.updateFacts(client, settled.creditScopes, nowMs);
      const { lateCount, underestimatedCount, excessPico } = settled;
      return { chargeCount: charges.length, attemptCount: attempts.length, correctionCount: costs.correctionCount, lateCount, underestimatedCount, excessPico };
    });
  }

  private async recordFresh(client: PoolClient, items: readonly UsageItem[], nowMs: number): Promise<UsageItem[]> {
    const byId = new Map<string, UsageItem>();
    for (const item of items) if (!byId.has(item.event.eventId)) byId.set(item.event.eventId, item);
    const sorted = [...byId.values()].sort((a, b) => (a.event.eventId < b.event.eventId ? -1 : 1));
    const rows = sorted.map((item): UsageEventRow => ({
      eventId: item.event.eventId,
      eventType: item.kind,
      generationId: item.event.generationId,
      document: item.document,
    }));
    const freshIds = await recordEvents(client, rows, nowMs);
    return sorted.filter((item) => freshIds.has(item.event.eventId));
  }

  private async settleCharges(client: PoolClient, items: readonly ChargeItem[], nowMs: number): Promise<SettledCharges> {
    const { scopes, leases } = await this.lockFor(client, items);
    const state = new SettlementState(scopes, leases);
    const homeless = items.filter((item) => !state.creditScope(item.event.accountId));
    if (homeless.length > 0) throw poison(homeless, 'there is no such account');
    const transactions: LedgerTransaction[] = [];
    const rows: ChargeRow[] = [];
    let [lateCount, underestimatedCount, excessPico] = [0, 0, 0n];
    for (const { event } of items) {
      const settled = state.settle({ ...event, acceptTimeMs: Number(event.acceptTimeMs) });
      if (settled.flags.includes('late')) lateCount++;
      if (settled.flags.includes('underestimated')) underestimatedCount++;
      excessPico += settled.excessPico;
      const posting = { ...event, acceptTimeMs: Number(event.acceptTimeMs), uncoveredPico: settled.uncoveredPico };
      const transaction = chargeTransaction(posting);
      if (transaction) transactions.push(transaction);
      rows.push(chargeRow(event, settled.excessPico, settled.flags));
    }
    const firstEnds = await insertCharges(
      client,
      rows.sort((a, b) => (a.generationId < b.generationId ? -1 : 1)),
    );
    const secondEnds = items.filter((item) => !firstEnds.has(item.event.eventId));
    if (secondEnds.length > 0) throw poison(secondEnds, 'the generation has another end already');
    await saveScopes(client, [...scopes.values()]);
    await saveLeases(client, [...leases.values()], nowMs);
    await addKeyUsage(client, usageDays(items));
    const creditScopes = [...scopes.values()].filter((scope) => scope.kind === 'account_credit');
    return { transactions, lateCount, underestimatedCount, excessPico, creditScopes };
  }

  /** Locks what the charges touch: keys, then scopes in id order. */
  private async lockFor(
    client: PoolClient,
    items: readonly ChargeItem[],
  ): Promise<{ scopes: Awaited<ReturnType<typeof lockScopes>>; leases: Awaited<ReturnType<typeof readLeases>> }> {
    const keyHashes = [...new Set(items.map((item) => item.event.keyHash))].sort();
    const accountIds = [...new Set(items.map((item) => item.event.accountId))];
    const times = items.map((item) => Number(item.event.acceptTimeMs));
    const leaseIds = [...new Set(items.flatMap((item) => item.event.leases.map((use) => use.leaseId)))].filter((id) => LEASE_ID.test(id));
    await shareKeyUsage(client, keyHashes);
    const scopeOfLease = await findScopesOfLeases(client, leaseIds);
    const wanted = { accountIds, keyHashes, earliestMs: Math.min(...times), latestMs: Math.max(...times) };
    const scopeIds = new Set([...scopeOfLease.values(), ...(await findCreditAndLimitScopes(client, wanted))]);
    const scopes = await lockScopes(client, [...scopeIds]);
    return { scopes, leases: await readLeases(client, [...scopeOfLease.keys()]) };
  }

  private async postCosts(client: PoolClient, items: readonly CostItem[]): Promise<{ transactions: LedgerTransaction[]; correctionCount: number }> {
    if (items.length === 0) return { transactions: [], correctionCount: 0 };
    const sorted = [...items].sort((a, b) => (a.event.attemptId < b.event.attemptId ? -1 : 1));
    const firstReports = await insertAttemptCosts(
      client,
      sorted.map(({ event }) => ({
        ...event,
        reporter: event.reporter === events.AttemptReporter.WORKER ? ('worker' as const) : ('ingress' as const),
        acceptTimeMs: Number(event.acceptTimeMs),
      })),
    );
    const first = sorted.filter((item) => firstReports.has(item.event.eventId));
    const later = sorted.filter((item) => !firstReports.has(item.event.eventId) && item.event.reporter === events.AttemptReporter.WORKER);
    const corrections = later.length === 0 ? [] : await this.correct(client, later);
    // What a customer's own credential pays is no expense of ours.
    const transactions = first.flatMap(({ event }) =>
      event.isByok ? [] : (costTransaction({ ...event, acceptTimeMs: Number(event.acceptTimeMs) }, 'cost') ?? []),
    );
    return { transactions: [...transactions, ...corrections.flatMap((correction) => correction.transaction ?? [])], correctionCount: corrections.length };
  }

  /** The worker's own figure comes after an estimate: only the difference is posted. */
  private async correct(client: PoolClient, items: readonly CostItem[]): Promise<{ transaction: LedgerTransaction | undefined }[]> {
    const estimates = await findEstimates(
      client,
      items.map((item) => item.event.attemptId),
    );
    const corrections = items.flatMap(({ event }) => {
      const estimate = estimates.get(event.attemptId);
      return estimate ? [{ event, estimate, differencePico: event.costPico - estimate.costPico }] : [];
    });
    const inserted = await insertCorrections(
      client,
      corrections.map(({ event, differencePico }) => ({ attemptId: event.attemptId, eventId: event.eventId, costPico: event.costPico, differencePico })),
    );
    return corrections
      .filter(({ event }) => inserted.has(event.eventId))
      .map(({ event, estimate, differencePico }) => {
        const posting = { ...event, providerSlug: estimate.providerSlug, acceptTimeMs: Number(event.acceptTimeMs), costPico: differencePico };
        return { transaction: estimate.isByok ? undefined : costTransaction(posting, 'cost_correction') };
      });
  }

  private async updateFacts(client: PoolClient, creditScopes: readonly ScopeRow[], nowMs: number): Promise<void> {
    if (creditScopes.length === 0) return;
    const sorted = [...creditScopes].sort((a, b) => (a.accountId < b.accountId ? -1 : 1));
    const changed = await updateNegative(
      client,
      sorted.map((scope) => scope.accountId),
      sorted.map(isNegative),
    );
    await appendChanges(client, { accountIds: changed }, nowMs);
  }
}

function chargeRow(event: events.GenerationCompleted, excessPico: bigint, flags: readonly string[]): ChargeRow {
  return {
    generationId: event.generationId,
    eventId: event.eventId,
    accountId: event.accountId,
    workspaceId: event.workspaceId,
    keyHash: event.keyHash,
    acceptTimeMs: Number(event.acceptTimeMs),
    chargePico: event.chargePico,
    excessPico,
    generationEnd: event.end,
    flags: [...new Set([...event.flags.filter((flag) => /^[a-z_]{1,64}$/.test(flag)), ...flags])],
  };
}

function usageDays(items: readonly ChargeItem[]): KeyUsageDay[] {
  const days = new Map<string, KeyUsageDay>();
  for (const { event } of items) {
    const { startMs } = dayWindow(Number(event.acceptTimeMs));
    const id = `${event.keyHash} ${startMs}`;
    const day = days.get(id);
    days.set(id, {
      keyHash: event.keyHash,
      dayStartMs: startMs,
      chargePico: (day?.chargePico ?? 0n) + event.chargePico,
      byokPico: 0n,
      generationCount: (day?.generationCount ?? 0) + 1,
    });
  }
  return [...days.values()].sort((a, b) => (a.keyHash < b.keyHash || (a.keyHash === b.keyHash && a.dayStartMs < b.dayStartMs) ? -1 : 1));
}

function poison(items: readonly UsageItem[], reason: string): PoisonEventError {
  return new PoisonEventError(
    items.map((item) => item.record),
    reason,
  );
}
