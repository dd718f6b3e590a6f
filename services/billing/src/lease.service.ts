import { newEventId, type Clock, type RandomSource } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import type { billing, LeasePort } from '@switchyard/proto';
import type { Counter, Logger } from '@switchyard/telemetry';
import type { Pool, PoolClient } from 'pg';
import { openHold, release } from './core/lease-scope.js';
import { scopesToRecall, shortageOf, sizeGrants, type ScopeAsk, type Shortage } from './core/grant-decision.js';
import type { HolderRecalls } from './holder-recalls.js';
import { countLiveHolders, requestClose, shareEpoch, touchEpoch } from './lease-epoch.store.js';
import type { LeaseReturns } from './lease-returns.js';
import { addHeld, lockScopes } from './lease-scope.store.js';
import { countPendingRecalls, findLeasesOfRequest, insertLeases, requestRecalls, type LeaseRow } from './lease.store.js';
import { unitMessage } from './message-mapping.js';
import { sendSignal } from './notification-listener.store.js';
import type { ReleaseWaiter } from './release-waiter.js';
import { invalid, requireAtLeast, requireId, requireList } from './request-checks.js';
import type { ScopeLimits } from './scope-limits.js';
import type { ResolvedScope, ScopeResolver } from './scope-resolver.js';

export interface LeaseServiceOptions {
  readonly leaseReserveMs: number;
  readonly leaseSettleMarginMs: number;
  readonly recallWaitMs: number;
  readonly maxRecallWaits: number;
  readonly holderLiveMs: number;
}

export interface LeaseServiceDependencies {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly scopeResolver: ScopeResolver;
  readonly scopeLimits: ScopeLimits;
  readonly leaseReturns: LeaseReturns;
  readonly holderRecalls: HolderRecalls;
  readonly releaseWaiter: ReleaseWaiter;
  readonly shortageCounter: Counter;
  readonly options: LeaseServiceOptions;
}

interface AcquireCall {
  readonly holderId: string;
  readonly epoch: bigint;
  readonly requestId: string;
  readonly asks: readonly ScopeAsk[];
}

/** `recall` asks other holders, `wait` grants only once they have answered, `last` grants what there is. */
type GrantTurn = 'recall' | 'wait' | 'last';

interface GrantTry {
  readonly leases: readonly Pick<LeaseRow, 'leaseId' | 'amounts' | 'reserveUntilMs'>[];
  /** With recalls pending: what is short so far. */
  readonly shortage: Shortage | undefined;
  /** Recalls that live holders have still to answer. */
  readonly pendingRecallCount: number;
}

const MAX_SCOPES = 32;
const MAX_RELEASES = 10_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Durable grants. Every amount moves under the lock of its scope, so instances of billing may race. */
export class LeaseService implements LeasePort {
  private waitCount = 0;

  constructor(private readonly dependencies: LeaseServiceDependencies) {}

  /** @throws SwitchyardError `invalid_request`, `not_found` (account or key), `precondition_failed` (epoch closed or superseded) */
  async acquireLeases(
    request: billing.AcquireLeasesRequest,
    callOptions?: { readonly signal?: AbortSignal | undefined },
  ): Promise<billing.AcquireLeasesResponse> {
    const { pool, clock, scopeResolver, shortageCounter } = this.dependencies;
    const holderId = requireId(request.holderId, 'holder_id');
    const requestId = requireId(request.requestId, 'request_id');
    requireList(request.scopes, 'scopes', MAX_SCOPES, 1);
    const resolved = await scopeResolver.resolve(request.scopes, Number(request.acceptTimeMs));
    const asks = resolved.map(({ scopeId, request: ask }) => ({
      scopeId,
      needed: requireAtLeast(ask.amountNeeded, 0n, 'amount_needed'),
      wanted: requireAtLeast(ask.amountWanted ?? ask.amountNeeded, ask.amountNeeded, 'amount_wanted'),
      recentSpend: requireAtLeast(ask.recentSpend, 0n, 'recent_spend'),
    }));
    await touchEpoch(pool, holderId, requireEpoch(request.epoch), clock.nowMs());
    const { leases, shortage } = await this.grantOrWait({ holderId, epoch: request.epoch, requestId, asks }, callOptions?.signal);
    if (shortage) {
      shortageCounter.increment();
      return { leases: [], shortage: shortageMessage(shortage, resolved[shortage.index]!) };
    }
    return { leases: leases.map((lease, index) => this.leaseMessage(lease, resolved[index]!, request.epoch)), shortage: undefined };
  }

  /** @throws SwitchyardError `invalid_request` */
  async releaseLeases(request: billing.ReleaseLeasesRequest): Promise<billing.ReleaseLeasesResponse> {
    const holderId = requireId(request.holderId, 'holder_id');
    const releases = new Map<string, billing.LeaseRelease>();
    for (const item of requireList(request.releases, 'releases', MAX_RELEASES)) {
      if (!UUID.test(item.leaseId)) throw invalid('lease_id is not one of ours.');
      requireAtLeast(item.releasedTotal, 0n, 'released_total');
      releases.set(item.leaseId, item);
    }
    await this.dependencies.leaseReturns.change([...releases.keys()], (lease, scope) => {
      // Late calls of another process or an older epoch change nothing.
      if (lease.holderId !== holderId || lease.epoch !== request.epoch) return;
      const { releasedTotal, isClosed } = releases.get(lease.leaseId)!;
      if (releasedTotal > lease.amounts.granted) this.dependencies.logger.warn('a holder gave back more than it was granted', { leaseId: lease.leaseId });
      const after = release({ scope: scope.amounts, lease: lease.amounts }, releasedTotal);
      scope.amounts = after.scope;
      lease.amounts = after.lease;
      lease.isClosed ||= isClosed;
      lease.isRecalled = false;
    });
    return {};
  }

  /** @throws SwitchyardError `precondition_failed` when the epoch is closed */
  async *watchHolder(
    request: billing.WatchHolderRequest,
    callOptions?: { readonly signal?: AbortSignal | undefined },
  ): AsyncGenerator<billing.WatchHolderResponse, void, undefined> {
    const { pool, clock, holderRecalls } = this.dependencies;
    const holderId = requireId(request.holderId, 'holder_id');
    await touchEpoch(pool, holderId, requireEpoch(request.epoch), clock.nowMs());
    await withTransaction(pool, (client) => requireOpenEpoch(client, holderId, request.epoch));
    yield* holderRecalls.watch(holderId, request.epoch, callOptions?.signal);
  }

  async closeEpoch(request: billing.CloseEpochRequest): Promise<billing.CloseEpochResponse> {
    const { pool, clock } = this.dependencies;
    const holderId = requireId(request.holderId, 'holder_id');
    await withTransaction(pool, (client) => requestClose(client, holderId, requireEpoch(request.epoch), clock.nowMs()));
    return {};
  }

  private async grantOrWait(call: AcquireCall, signal: AbortSignal | undefined): Promise<GrantTry> {
    const { pool, options, releaseWaiter } = this.dependencies;
    const attempt = (turn: GrantTurn): Promise<GrantTry> => withTransaction(pool, (client) => this.tryGrant(client, call, turn, signal));
    let result = await attempt('recall');
    if (result.pendingRecallCount === 0) return result;
    if (this.waitCount >= options.maxRecallWaits) return attempt('last');
    this.waitCount++;
    const deadline = releaseWaiter.deadline(options.recallWaitMs);
    try {
      while (result.pendingRecallCount > 0) {
        await releaseWaiter.next(deadline);
        // What came back is not for a caller that left.
        if (signal?.aborted === true) break;
        result = await attempt(deadline.isOver ? 'last' : 'wait');
      }
    } finally {
      deadline.cancel();
      this.waitCount--;
    }
    return result;
  }

  private async tryGrant(client: PoolClient, call: AcquireCall, turn: GrantTurn, signal: AbortSignal | undefined): Promise<GrantTry> {
    const { clock, scopeLimits, options } = this.dependencies;
    await requireOpenEpoch(client, call.holderId, call.epoch);
    const scopes = await lockScopes(client, [...new Set(call.asks.map((ask) => ask.scopeId))]);
    // Behind the locks: the first try of a repeated call may still be at its commit.
    const earlier = await findLeasesOfRequest(client, call);
    if (earlier.length > 0) return { leases: earlier, shortage: undefined, pendingRecallCount: 0 };
    await scopeLimits.refresh(client, [...scopes.values()]);
    const nowMs = clock.nowMs();
    const liveSinceMs = nowMs - options.holderLiveMs;
    const amountsOf = new Map([...scopes].map(([scopeId, scope]) => [scopeId, scope.amounts]));
    const decision = sizeGrants(call.asks, amountsOf, await countLiveHolders(client, liveSinceMs));
    const pendingRecallCount = turn === 'last' ? 0 : await this.recallFor(client, call, { amountsOf, isFirst: turn === 'recall', liveSinceMs, nowMs });
    const shortage = decision.shortage ?? (pendingRecallCount > 0 ? shortageOf(0, amountsOf.get(call.asks[0]!.scopeId)!) : undefined);
    if (shortage) return { leases: [], shortage, pendingRecallCount };
    const reserveUntilMs = nowMs + options.leaseReserveMs;
    const leases = call.asks.map((ask, index) => ({
      leaseId: newEventId(clock, this.dependencies.random),
      scopeId: ask.scopeId,
      granted: decision.grants[index]!,
    }));
    await insertLeases(client, call, leases, nowMs, reserveUntilMs);
    await addHeld(client, [...decision.heldByScope.keys()], [...decision.heldByScope.values()]);
    // A database that stood still outlasts its callers: what they do not hear of would be held until it counts as abandoned.
    signal?.throwIfAborted();
    return {
      leases: leases.map(({ leaseId, granted }) => ({ leaseId, reserveUntilMs, amounts: { granted, released: 0n, settled: 0n, isResolved: false } })),
      shortage: undefined,
      pendingRecallCount: 0,
    };
  }

  /** How many recalls have still to be answered before it is known what can be granted. */
  private async recallFor(
    client: PoolClient,
    call: AcquireCall,
    context: { readonly amountsOf: Parameters<typeof scopesToRecall>[1]; readonly isFirst: boolean; readonly liveSinceMs: number; readonly nowMs: number },
  ): Promise<number> {
    const short = scopesToRecall(call.asks, context.amountsOf);
    if (short.length === 0) return 0;
    if (context.isFirst) {
      const count = await requestRecalls(client, short, call.holderId, 'shortage', context.nowMs);
      if (count > 0) await sendSignal(client, 'billing_recalls');
    }
    return countPendingRecalls(client, short, call.holderId, context.liveSinceMs);
  }

  private leaseMessage(lease: GrantTry['leases'][number], scope: ResolvedScope, epoch: bigint): billing.Lease {
    const { clock, options } = this.dependencies;
    // A repeated call gets the rest of the first one's time.
    const reserveForMs = Math.max(0, Math.min(options.leaseReserveMs, lease.reserveUntilMs - clock.nowMs()));
    return {
      leaseId: lease.leaseId,
      scope: scope.request.scope,
      unit: unitMessage(scope.kind),
      granted: openHold(lease.amounts) === 0n ? 0n : lease.amounts.granted,
      reserveForMs: BigInt(reserveForMs),
      settleForMs: BigInt(reserveForMs + options.leaseSettleMarginMs),
      epoch,
    };
  }
}

function requireEpoch(epoch: bigint): bigint {
  return requireAtLeast(epoch, 0n, 'epoch');
}

async function requireOpenEpoch(client: PoolClient, holderId: string, epoch: bigint): Promise<void> {
  const state = await shareEpoch(client, holderId, epoch);
  if (state !== 'open') throw new SwitchyardError('precondition_failed', `The holder's epoch is ${state}.`, { metadata: { epoch: epoch.toString() } });
}

function shortageMessage(shortage: Shortage, scope: ResolvedScope): billing.ScopeShortage {
  return {
    scope: scope.request.scope,
    available: shortage.available,
    resetTimeMs: BigInt(scope.window.endMs ?? 0),
    limit: shortage.limit,
    unspent: shortage.unspent,
  };
}
