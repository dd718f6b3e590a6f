import { picoToUsdNumber, type Clock } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import type { Gauge, Logger, Metrics } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import { BLOCKED_SCOPES, HELD, LEDGER_BALANCE, LEDGER_CHECKED_TIME, LEDGER_DIFFERENCES } from './billing-metrics.js';
import { BALANCE_KINDS, LEDGER_CHECKS, readLedgerFigures } from './ledger-watch.store.js';

export interface LedgerWatchOptions {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly intervalMs: number;
}

const SNAPSHOT = { isolation: 'REPEATABLE READ', readOnly: true } as const;

/** Compares the ledger with itself again and again, at a bounded cost, and shows what it comes to. Several instances may run it at once. */
export class LedgerWatch {
  private readonly differences: ReadonlyMap<string, Gauge>;
  private readonly balances: ReadonlyMap<string, Gauge>;
  private readonly held: Gauge;
  private readonly blocked: Gauge;
  private readonly checkedTime: Gauge;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(private readonly options: LedgerWatchOptions) {
    const { metrics } = options;
    const differences = metrics.gauge(LEDGER_DIFFERENCES);
    const balances = metrics.gauge(LEDGER_BALANCE);
    this.differences = new Map(LEDGER_CHECKS.map((check) => [check, differences.labels({ check })]));
    this.balances = new Map(BALANCE_KINDS.map((kind) => [kind, balances.labels({ ledger_account: kind })]));
    this.held = metrics.gauge(HELD).labels();
    this.blocked = metrics.gauge(BLOCKED_SCOPES).labels();
    this.checkedTime = metrics.gauge(LEDGER_CHECKED_TIME).labels();
  }

  start(): void {
    // Nobody is alerted before the first check had its chance.
    this.checkedTime.set(this.options.clock.nowMs() / 1_000);
    this.timer = setInterval(() => this.tick(), this.options.intervalMs);
    this.tick();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private tick(): void {
    this.running ??= this.tryToCheck().finally(() => (this.running = undefined));
  }

  private async tryToCheck(): Promise<void> {
    try {
      await this.check();
    } catch (error) {
      this.options.logger.warn('The ledger could not be checked; the next round tries again.', { error });
    }
  }

  async check(): Promise<void> {
    const { pool, clock, logger } = this.options;
    const { differences, balances, heldPico, blockedScopeCount } = await withTransaction(pool, (client) => readLedgerFigures(client, clock.nowMs()), SNAPSHOT);
    for (const [check, count] of differences) {
      this.differences.get(check)?.set(count);
      if (count > 0) logger.error('The ledger differs from itself; `ledger verify` says where.', { check, count });
    }
    const sums = new Map(balances.map(({ kind, balancePico }) => [kind, balancePico]));
    for (const [kind, gauge] of this.balances) gauge.set(picoToUsdNumber(sums.get(kind) ?? 0n));
    this.held.set(picoToUsdNumber(heldPico));
    this.blocked.set(blockedScopeCount);
    this.checkedTime.set(clock.nowMs() / 1_000);
  }
}
