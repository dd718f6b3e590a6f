import { dayWindow, picoToUsdNumber, type Clock } from '@switchyard/core';
import type { Counter, Gauge, Logger, MetricFamily, Metrics } from '@switchyard/telemetry';
import type { Pool } from 'pg';
import { KEY_DAILY_MEAN, KEY_SPEND } from './billing-metrics.js';
import { readDailyMeans } from './key-usage.store.js';

export interface KeySpendOptions {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly intervalMs: number;
}

const HOUR_MS = 3_600_000;
/** Keys whose spend has series of its own. */
const SHOWN_KEYS = 100;
/** Keys that are remembered; of more, those that spent longest ago are forgotten. */
const MAX_KEYS = 20_000;

interface KeyTotal {
  usd: number;
  /** Spend of late: what is an hour old counts by 1/e. */
  recentUsd: number;
  recentAtMs: number;
}

interface ShownKey {
  readonly spend: Counter;
  /** Shown once it was read: next to no usual day every key of weight would burn its budget. */
  dailyMean?: Gauge;
}

/**
 * Spend by API key for alerts on keys that suddenly spend much. There may be any number of keys, so only those that spent most in the last
 * hour have series; beside each is what the key spends on a day of its own, so that nobody has to set a budget.
 */
export class KeySpend {
  /** In order of the last charge, so that the first is the one to forget. */
  private readonly totals = new Map<string, KeyTotal>();
  private readonly shown = new Map<string, ShownKey>();
  private readonly spend: MetricFamily<Counter>;
  private readonly dailyMeans: MetricFamily<Gauge>;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(private readonly options: KeySpendOptions) {
    this.spend = options.metrics.counter(KEY_SPEND);
    this.dailyMeans = options.metrics.gauge(KEY_DAILY_MEAN);
    options.metrics.onScrape(() => this.show());
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), this.options.intervalMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** Charges that were posted, by key. */
  add(chargesPico: ReadonlyMap<string, bigint>): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const [keyHash, chargePico] of chargesPico) {
      const usd = picoToUsdNumber(chargePico);
      const total = this.totals.get(keyHash) ?? { usd: 0, recentUsd: 0, recentAtMs: nowMs };
      total.usd += usd;
      total.recentUsd = recentOf(total, nowMs) + usd;
      total.recentAtMs = nowMs;
      this.totals.delete(keyHash);
      this.totals.set(keyHash, total);
    }
    while (this.totals.size > MAX_KEYS) this.totals.delete(this.totals.keys().next().value!);
  }

  /** Brings the daily means of the shown keys up to date. */
  async readMeans(): Promise<void> {
    const { pool, clock } = this.options;
    if (this.shown.size === 0) return;
    const asked = [...this.shown];
    const means = await readDailyMeans(
      pool,
      asked.map(([keyHash]) => keyHash),
      dayWindow(clock.nowMs()).startMs,
    );
    for (const [keyHash, key] of asked) {
      if (this.shown.get(keyHash) !== key) continue;
      key.dailyMean ??= this.dailyMeans.labels({ key_hash: keyHash });
      key.dailyMean.set(picoToUsdNumber(means.get(keyHash) ?? 0n));
    }
  }

  private tick(): void {
    this.running ??= this.readMeans()
      .catch((error: unknown) => this.options.logger.warn('The spend of keys on other days could not be read.', { error }))
      .finally(() => (this.running = undefined));
  }

  private show(): void {
    const top = this.topKeys();
    for (const keyHash of this.shown.keys()) if (!top.has(keyHash)) this.hide(keyHash);
    let isMeanMissing = false;
    for (const keyHash of top) {
      const shown: ShownKey = this.shown.get(keyHash) ?? { spend: this.spend.labels({ key_hash: keyHash }) };
      isMeanMissing ||= shown.dailyMean === undefined;
      shown.spend.raiseTo(this.totals.get(keyHash)!.usd);
      this.shown.set(keyHash, shown);
    }
    if (isMeanMissing) this.tick();
  }

  private hide(keyHash: string): void {
    this.shown.delete(keyHash);
    this.spend.remove({ key_hash: keyHash });
    this.dailyMeans.remove({ key_hash: keyHash });
  }

  private topKeys(): ReadonlySet<string> {
    if (this.totals.size <= SHOWN_KEYS) return new Set(this.totals.keys());
    const nowMs = this.options.clock.monotonicMs();
    const recent = Float64Array.from(this.totals.values(), (total) => recentOf(total, nowMs)).sort();
    const least = recent[recent.length - SHOWN_KEYS]!;
    const top = new Set<string>();
    for (const [keyHash, total] of this.totals) if (top.size < SHOWN_KEYS && recentOf(total, nowMs) >= least) top.add(keyHash);
    return top;
  }
}

function recentOf({ recentUsd, recentAtMs }: KeyTotal, nowMs: number): number {
  return recentUsd * Math.exp((recentAtMs - nowMs) / HOUR_MS);
}
