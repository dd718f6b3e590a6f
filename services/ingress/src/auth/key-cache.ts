import type { Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { billing, KeyPort } from '@switchyard/proto';
import type { CallTrace, CallTracer, CallWaiter, Logger } from '@switchyard/telemetry';
import { pause } from '../pause.js';
import { WorkQueue } from './work-queue.js';

export interface KeyCacheOptions {
  /** How long keys verified earlier are served while billing's watch is away. */
  readonly keyGraceMs: number;
  readonly maxKeys: number;
  /** How long an unknown key is remembered as unknown. */
  readonly unknownForMs: number;
  /** The watch counts as broken when nothing, not even a heartbeat, came for this long. */
  readonly heartbeatTimeoutMs: number;
  readonly reconnectDelayMs: number;
  /** Keys that billing is asked for at once. Anybody can send random ones, and each costs queries on the connections that leases use. */
  readonly maxLookups: number;
  /** Keys that may wait for their turn to be asked for; more are refused. */
  readonly maxWaitingLookups: number;
  /** How long a key may wait for its turn: where billing answers nobody, each turn takes until its time is over. */
  readonly maxLookupWaitMs: number;
}

/** A key that billing is being asked for. */
interface Resolving {
  readonly key: Promise<billing.Key | undefined>;
  readonly call: CallTrace | undefined;
}

const RESOLVE_KEY = 'switchyard.billing.v1.KeyService/ResolveKey';

/**
 * Keys by the SHA-256 of their secret, filled by `ResolveKey` and kept true by `WatchKeys`. While the watch
 * is live a change acts at once; without it, keys verified earlier are served for the grace time and no others.
 */
export class KeyCache {
  /** Insertion order is age, so the bound drops the key that was resolved longest ago. */
  private readonly keys = new Map<string, billing.Key>();
  private readonly unknownUntilMs = new Map<string, number>();
  private readonly resolving = new Map<string, Resolving>();
  private readonly lookups: WorkQueue;
  private sequence: bigint | undefined;
  private lastHeardMs = Number.NEGATIVE_INFINITY;
  private readonly stopped = new AbortController();

  constructor(
    private readonly keyPort: KeyPort,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly options: KeyCacheOptions,
    /** Undefined where nothing is traced. */
    private readonly calls?: CallTracer,
  ) {
    this.lookups = new WorkQueue(options.maxLookups, options.maxWaitingLookups, options.maxLookupWaitMs);
  }

  start(): void {
    void this.watch();
  }

  close(): void {
    this.stopped.abort();
  }

  /** The watch has brought something at least once; before that no key is known. */
  get hasBeenLive(): boolean {
    return this.lastHeardMs !== Number.NEGATIVE_INFINITY;
  }

  /** Changes reach us at the moment. */
  get isLive(): boolean {
    return this.clock.monotonicMs() - this.lastHeardMs < this.options.heartbeatTimeoutMs;
  }

  /** A cached key, without waiting: the path of nearly every request. */
  peek(hash: string): billing.Key | undefined {
    const key = this.keys.get(hash);
    return key && (this.isLive || this.isInGrace()) ? key : undefined;
  }

  /**
   * The key, or undefined when there is none. The waiter hears of the call that brings it.
   * @throws SwitchyardError `gateway_unavailable` when billing cannot be asked, or not in time, or is asked for too many keys already.
   */
  async find(hash: string, waiter?: CallWaiter): Promise<billing.Key | undefined> {
    const cached = this.peek(hash);
    if (cached) return cached;
    const nowMs = this.clock.monotonicMs();
    if ((this.unknownUntilMs.get(hash) ?? 0) > nowMs) return undefined;
    const resolving = this.resolving.get(hash) ?? this.beginResolving(hash);
    if (resolving.call) waiter?.waitsFor(resolving.call);
    return resolving.key;
  }

  private beginResolving(hash: string): Resolving {
    if (this.lookups.isFull) throw tooManyLookups();
    const call = this.calls?.begin(RESOLVE_KEY);
    const tooLate = (): Error => {
      const error = tooManyLookups();
      call?.end({ error });
      return error;
    };
    const key = this.lookups.run(() => this.resolve(hash, call), tooLate).finally(() => this.resolving.delete(hash));
    const resolving = { key, call };
    this.resolving.set(hash, resolving);
    return resolving;
  }

  private isInGrace(): boolean {
    return this.clock.monotonicMs() - this.lastHeardMs < this.options.keyGraceMs;
  }

  /** A key that changes while it is asked for is asked for again, which is one call to whoever waits. */
  private async resolve(hash: string, call: CallTrace | undefined): Promise<billing.Key | undefined> {
    try {
      for (let round = 0; round < MAX_RESOLVE_ROUNDS; round++) {
        const { key, sequence } = await this.keyPort.resolveKey({ secretHash: hash }, { traceparent: call?.traceparent });
        // A change that went by before the key was cached would be missed for good.
        const isBehind = this.sequence !== undefined && sequence < this.sequence;
        if (isBehind && this.isLive) continue;
        call?.end();
        if (key && !isBehind) this.remember(key);
        return key;
      }
      throw new SwitchyardError('gateway_unavailable', 'API keys change too fast to be checked.', { retryAfterMs: 1_000 });
    } catch (error) {
      call?.end({ error });
      if (error instanceof SwitchyardError && error.type === 'not_found') {
        this.rememberUnknown(hash);
        return undefined;
      }
      throw new SwitchyardError('gateway_unavailable', 'API keys cannot be checked at the moment; try again shortly.', { retryAfterMs: 1_000, cause: error });
    }
  }

  private remember(key: billing.Key): void {
    const known = this.keys.get(key.hash);
    // A watch may have brought a newer version while the call was under way.
    if (known && known.version > key.version) return;
    this.keys.delete(key.hash);
    this.keys.set(key.hash, key);
    dropOldest(this.keys, this.options.maxKeys);
  }

  private rememberUnknown(hash: string): void {
    this.unknownUntilMs.set(hash, this.clock.monotonicMs() + this.options.unknownForMs);
    dropOldest(this.unknownUntilMs, this.options.maxKeys);
  }

  private async watch(): Promise<void> {
    let isBroken = false;
    while (!this.stopped.signal.aborted) {
      try {
        const updates = this.keyPort.watchKeys({ afterSequence: this.sequence }, { signal: this.stopped.signal });
        for await (const update of updates) {
          if (isBroken) this.logger.info('API keys are watched again');
          isBroken = false;
          this.apply(update);
        }
      } catch (error) {
        if (this.stopped.signal.aborted) return;
        if (!isBroken) this.logger.warn('API keys cannot be watched; those known serve for their grace time', { error });
        isBroken = true;
      }
      await pause(this.options.reconnectDelayMs, this.stopped.signal);
    }
  }

  private apply(update: billing.WatchKeysResponse): void {
    // What changed in a gap, or before the first word, is unknown: nothing cached may be trusted.
    if (update.previousSequence !== this.sequence) this.keys.clear();
    this.sequence = update.sequence;
    this.lastHeardMs = this.clock.monotonicMs();
    for (const key of update.changed) {
      this.unknownUntilMs.delete(key.hash);
      if (key.deleted) this.keys.delete(key.hash);
      else if (this.keys.has(key.hash)) this.remember(key);
    }
    for (const account of update.changedAccounts) this.applyAccount(account);
  }

  private applyAccount(account: billing.AccountFacts): void {
    for (const key of this.keys.values()) if (key.accountId === account.accountId) key.account = account;
  }
}

const MAX_RESOLVE_ROUNDS = 5;

function tooManyLookups(): SwitchyardError {
  return new SwitchyardError('gateway_unavailable', 'Too many API keys are being checked at the moment; try again shortly.', { retryAfterMs: 1_000 });
}

function dropOldest(map: Map<string, unknown>, maxSize: number): void {
  if (map.size <= maxSize) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
