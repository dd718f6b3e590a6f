import { dayWindow, type Clock } from '@switchyard/core';
import { allAnswered, withLikelyNew } from '@switchyard/db';
import { PoisonEventError, type ConsumedRecord } from '@switchyard/events';
import { events } from '@switchyard/proto';
import type { Pool, PoolClient } from 'pg';
import { updateNegative } from './account.store.js';
import { isNegative } from './account.service.js';
import { appendChanges } from './change.store.js';
import { chargeTransaction, costTransaction, type LedgerTransaction } from './core/ledger-transaction.js';
import { SettlementState } from './core/settle-charges.js';
import { addKeyUsage, type KeyUsageDay } from './key-usage.store.js';
import { shareKeyUsage } from './key.store.js';
import { lockChargedScopes, saveScopes, type ChargedScopes, type ScopeRow } from './lease-scope.store.js';
import { readLeases, saveLeases, type LeaseRow } from './lease.store.js';
import { postTransactions } from './ledger.store.js';
import { findEstimates, insertAttemptCosts, insertCharges, insertCorrections, recordEvents, type Charge, type Correction } from './usage-event.store.js';

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
  /** What was charged, by key hash. */
  readonly keyChargesPico: ReadonlyMap<string, bigint>;
}

/** What a batch of charges comes to; written to the database by `writeCharges`. */
interface SettledCharges {
  readonly charges: readonly Charge[];
  readonly transactions: readonly LedgerTransaction[];
  readonly scopes: readonly ScopeRow[];
  readonly leases: readonly LeaseRow[];
  readonly days: readonly KeyUsageDay[];
  /** Those that became negative, or are so no longer. */
  readonly creditScopes: readonly ScopeRow[];
  readonly lateCount: number;
  readonly underestimatedCount: number;
  readonly excessPico: bigint;
}

const NO_CHARGES: SettledCharges = {
  charges: [],
  transactions: [],
  scopes: [],
  leases: [],
  days: [],
  creditScopes: [],
  lateCount: 0,
  underestimatedCount: 0,
  excessPico: 0n,
};
type Mutable<Type> = { -readonly [Member in keyof Type]: Type[Member] };

const LEASE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Posts verified usage events: in one transaction the events are recorded, leases settled, charges and costs entered in the ledger and
 * every balance moved once. An event whose id is known already has no effect.
 */
export class UsagePosting {
  constructor(
    private readonly pool: Pool,
    private readonly clock: Clock,
  ) {}

  /** @throws PoisonEventError for events that can never be posted; then nothing was. */
  async post(items: readonly UsageItem[]): Promise<PostingReport> {
    const sorted = onceById(items);
    return withLikelyNew(this.pool, async (client, mayBeKnown) => {
      const nowMs = this.clock.nowMs();
      const recorded = recordEvents(client, sorted, nowMs, mayBeKnown);
      // What is taken to be new need not wait for the answer.
      const fresh = mayBeKnown ? await recorded : sorted;
      const charges = fresh.filter((item) => item.kind === 'generation');
      const attempts = fresh.filter((item) => item.kind === 'attempt');
      const [, costs, settled] = await allAnswered([recorded, this.postCosts(client, attempts, mayBeKnown), this.settleCharges(client, charges)]);
      await allAnswered([
        this.writeCharges(client, charges, settled, nowMs, mayBeKnown),
        postTransactions(client, [...settled.transactions, ...costs.transactions], nowMs),
      ]);
      await this.updateFacts(client, settled.creditScopes, nowMs);
      const { lateCount, underestimatedCount, excessPico, days } = settled;
      const { correctionCount } = costs;
      const counts = { chargeCount: charges.length, attemptCount: attempts.length, correctionCount, lateCount, underestimatedCount };
      return { ...counts, excessPico, keyChargesPico: chargesByKey(days) };
    });
  }

  /** Locks what the charges touch, and reckons. */
  private async settleCharges(client: PoolClient, items: readonly ChargeItem[]): Promise<SettledCharges> {
    if (items.length === 0) return NO_CHARGES;
    const { scopes, leases } = await this.lockFor(client, items);
    const creditScopes = [...scopes.values()].filter((scope) => scope.kind === 'account_credit');
    const negativeBefore = new Map(creditScopes.map((scope) => [scope.scopeId, isNegative(scope)]));
    const state = new SettlementState(scopes, leases);
    const homeless = items.filter((item) => !state.creditScope(item.event.accountId));
    if (homeless.length > 0) throw poison(homeless, 'there is no such account');
    const transactions: LedgerTransaction[] = [];
    const charges: Charge[] = [];
    let [lateCount, underestimatedCount, excessPico] = [0, 0, 0n];
    for (const { event } of items) {
      const settled = state.settle(event, Number(event.acceptTimeMs));
      if (settled.flags.includes('late')) lateCount++;
      if (settled.flags.includes('underestimated')) underestimatedCount++;
      excessPico += settled.excessPico;
      const transaction = chargeTransaction(event, settled.uncoveredPico);
      if (transaction) transactions.push(transaction);
      charges.push({ event, excessPico: settled.excessPico, flags: flagsOf(event, settled.flags) });
    }
    charges.sort((a, b) => (a.event.generationId < b.event.generationId ? -1 : 1));
    const changed = creditScopes.filter((scope) => isNegative(scope) !== negativeBefore.get(scope.scopeId));
    const rows = { charges, transactions, scopes: [...scopes.values()], leases: [...leases.values()], days: usageDays(items), creditScopes: changed };
    return { ...rows, lateCount, underestimatedCount, excessPico };
  }

  /** Locks what the charges touch: keys, then scopes in id order. */
  private async lockFor(client: PoolClient, items: readonly ChargeItem[]): Promise<{ scopes: Map<bigint, ScopeRow>; leases: Map<string, LeaseRow> }> {
    const charged = chargedBy(items);
    const { keyHashes, leaseIds } = charged;
    // The leases are read after their scopes were locked: statements of one connection run one after the other.
    const [, scopes, leases] = await allAnswered([shareKeyUsage(client, keyHashes), lockChargedScopes(client, charged), readLeases(client, leaseIds)]);
    return { scopes, leases };
  }

  /** @throws PoisonEventError for a generation that has another end already */
  private async writeCharges(
    client: PoolClient,
    items: readonly ChargeItem[],
    { charges, scopes, leases, days }: SettledCharges,
    nowMs: number,
    mayBeKnown: boolean,
  ): Promise<void> {
    if (items.length === 0) return;
    const [firstEnds] = await allAnswered([
      insertCharges(client, charges, mayBeKnown),
      saveScopes(client, scopes),
      saveLeases(client, leases, nowMs),
      addKeyUsage(client, days),
    ]);
    if (firstEnds.length === charges.length) return;
    const known = new Set(firstEnds.map(({ event }) => event.eventId));
    throw poison(
      items.filter((item) => !known.has(item.event.eventId)),
      'the generation has another end already',
    );
  }

  private async postCosts(
    client: PoolClient,
    items: readonly CostItem[],
    mayBeKnown: boolean,
  ): Promise<{ transactions: LedgerTransaction[]; correctionCount: number }> {
    if (items.length === 0) return { transactions: [], correctionCount: 0 };
    const sorted = [...items].sort((a, b) => (a.event.attemptId < b.event.attemptId ? -1 : 1));
    const first = await insertAttemptCosts(client, sorted, mayBeKnown);
    // What a customer's own credential pays is no expense of ours.
    const transactions = first.flatMap(({ event }) => (event.isByok ? [] : (costTransaction(event, 'cost') ?? [])));
    const corrections = first.length === sorted.length ? [] : await this.correct(client, sorted, new Set(first));
    for (const { event, estimate, differencePico } of corrections) {
      const posting = { ...event, providerSlug: estimate.providerSlug, costPico: differencePico };
      const transaction = estimate.isByok ? undefined : costTransaction(posting, 'cost_correction');
      if (transaction) transactions.push(transaction);
    }
    return { transactions, correctionCount: corrections.length };
  }

  /** The worker's own figure comes after an estimate: only the difference is posted. */
  private async correct(client: PoolClient, items: readonly CostItem[], first: ReadonlySet<unknown>): Promise<readonly Correction[]> {
    const later = items.filter((item) => !first.has(item) && item.event.reporter === events.AttemptReporter.WORKER);
    if (later.length === 0) return [];
    const estimates = await findEstimates(
      client,
      later.map((item) => item.event.attemptId),
    );
    const corrections = later.flatMap(({ event }) => {
      const estimate = estimates.get(event.attemptId);
      return estimate ? [{ event, estimate, differencePico: event.costPico - estimate.costPico }] : [];
    });
    return insertCorrections(client, corrections, true);
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

/** Each event once, sorted by id: batches that overlap wait for each other instead of locking each other out. */
function onceById(items: readonly UsageItem[]): UsageItem[] {
  const sorted = items.toSorted((a, b) => (a.event.eventId === b.event.eventId ? 0 : a.event.eventId < b.event.eventId ? -1 : 1));
  return sorted.filter((item, index) => item.event.eventId !== sorted[index - 1]?.event.eventId);
}

function chargedBy(items: readonly ChargeItem[]): ChargedScopes {
  const keyHashes = new Set<string>();
  const accountIds = new Set<string>();
  const leaseIds = new Set<string>();
  let [earliestMs, latestMs] = [Number.POSITIVE_INFINITY, 0];
  for (const { event } of items) {
    keyHashes.add(event.keyHash);
    accountIds.add(event.accountId);
    for (const { leaseId } of event.leases) leaseIds.add(leaseId);
    const timeMs = Number(event.acceptTimeMs);
    earliestMs = Math.min(earliestMs, timeMs);
    latestMs = Math.max(latestMs, timeMs);
  }
  return { keyHashes: [...keyHashes].sort(), accountIds: [...accountIds], leaseIds: [...leaseIds].filter((id) => LEASE_ID.test(id)), earliestMs, latestMs };
}

/** The event's own flags, as far as they are words, and what settling found. */
function flagsOf(event: events.GenerationCompleted, settled: readonly string[]): readonly string[] {
  if (event.flags.length === 0) return settled;
  return [...new Set([...event.flags.filter((flag) => /^[a-z_]{1,64}$/.test(flag)), ...settled])];
}

function usageDays(items: readonly ChargeItem[]): KeyUsageDay[] {
  const days: Mutable<KeyUsageDay>[] = [];
  const byStart = new Map<number, Map<string, Mutable<KeyUsageDay>>>();
  for (const { event } of items) {
    const { keyHash } = event;
    const acceptTimeMs = Number(event.acceptTimeMs);
    const { startMs } = dayWindow(acceptTimeMs);
    let byKey = byStart.get(startMs);
    if (byKey === undefined) byStart.set(startMs, (byKey = new Map()));
    let day = byKey.get(keyHash);
    if (day === undefined) {
      day = { keyHash, dayStartMs: startMs, chargePico: 0n, byokPico: 0n, generationCount: 0, lastUseTimeMs: acceptTimeMs };
      byKey.set(keyHash, day);
      days.push(day);
    }
    day.chargePico += event.chargePico;
    day.generationCount++;
    day.lastUseTimeMs = Math.max(day.lastUseTimeMs, acceptTimeMs);
  }
  return days.sort((a, b) => (a.keyHash < b.keyHash || (a.keyHash === b.keyHash && a.dayStartMs < b.dayStartMs) ? -1 : 1));
}

function chargesByKey(days: readonly KeyUsageDay[]): ReadonlyMap<string, bigint> {
  const charges = new Map<string, bigint>();
  for (const { keyHash, chargePico } of days) charges.set(keyHash, (charges.get(keyHash) ?? 0n) + chargePico);
  return charges;
}

function poison(items: readonly UsageItem[], reason: string): PoisonEventError {
  return new PoisonEventError(
    items.map((item) => item.record),
    reason,
  );
}
