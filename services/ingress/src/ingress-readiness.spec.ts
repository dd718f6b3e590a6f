import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { billing, type KeyPort, type LeasePort } from '@switchyard/proto';
import { captureLogger, eventually, manualClock, type ManualClock } from '@switchyard/testing';
import { KeyCache } from './auth/key-cache.js';
import { ingressReadiness } from './ingress-readiness.js';
import { HolderWatch } from './wallet/holder-watch.js';
import type { Wallet } from './wallet/wallet.js';

const HEARTBEAT_TIMEOUT_MS = 2_000;

/** Both watches of billing; what is told goes to whoever watches. */
class TellingBilling {
  private readonly told: (() => void)[] = [];
  private clockAheadMs = 0;
  heartbeats = 0;

  constructor(private readonly clock: ManualClock) {}

  readonly port = {
    watchKeys: () => this.beats(() => billing.WatchKeysResponse.fromPartial({ sequence: 1n, ...(this.heartbeats === 0 ? {} : { previousSequence: 1n }) })),
    watchHolder: () => this.beats(() => billing.WatchHolderResponse.fromPartial({ serverTimeMs: BigInt(this.clock.nowMs() + this.clockAheadMs) })),
  } as unknown as KeyPort & LeasePort;

  beat(clockAheadMs: number): void {
    this.clockAheadMs = clockAheadMs;
    for (const tell of this.told.splice(0)) tell();
  }

  private async *beats<Message>(message: () => Message): AsyncGenerator<Message, void, undefined> {
    for (;;) {
      await new Promise<void>((resolve) => this.told.push(resolve));
      yield message();
      this.heartbeats++;
    }
  }
}

describe('an ingress', () => {
  let clock: ManualClock;
  let server: TellingBilling;
  let keys: KeyCache;
  let holder: HolderWatch;
  const feed = { hasTable: true, isLive: true };
  const spool = { state: () => ({ usedShare: 0, isFull: false, isWritable: true }) };

  beforeEach(() => {
    clock = manualClock();
    server = new TellingBilling(clock);
    const logger = captureLogger();
    const [heartbeatTimeoutMs, reconnectDelayMs] = [HEARTBEAT_TIMEOUT_MS, 10];
    keys = new KeyCache(server.port, clock, logger, {
      keyGraceMs: 300_000,
      maxKeys: 10,
      unknownForMs: 5_000,
      heartbeatTimeoutMs,
      reconnectDelayMs,
      maxLookups: 1,
      maxWaitingLookups: 1,
      maxLookupWaitMs: 5_000,
    });
    const wallet = {} as unknown as Wallet;
    holder = new HolderWatch(server.port, wallet, clock, logger, { holderId: 'h', epoch: 1n, reconnectDelayMs, heartbeatTimeoutMs, maxClockSkewMs: 100 });
    keys.start();
    holder.start();
  });
  afterEach(() => {
    keys.close();
    holder.close();
  });

  const stateOf = (name: string) =>
    ingressReadiness(() => ({ feed, keys, holder, spool }))
      .find((check) => check.name === name)!
      .check();

  async function hear(clockAheadMs: number): Promise<void> {
    const heard = server.heartbeats;
    server.beat(clockAheadMs);
    await eventually(() => expect(server.heartbeats).toBe(heard + 2));
  }

  it('is not ready before billing was reached once', async () => {
    for (const name of ['keys', 'billing']) expect(stateOf(name)).toEqual({ ready: false, detail: 'not reached yet' });
    await hear(0);
    for (const name of ['keys', 'billing', 'clock']) expect(stateOf(name)).toEqual({ ready: true });
  });

  it('serves on and says that its keys are stale when nothing comes from billing any more', async () => {
    await hear(0);
    clock.advance(HEARTBEAT_TIMEOUT_MS);
    expect(stateOf('keys')).toEqual({ ready: true, degraded: true, detail: 'stale: keys verified earlier are served' });
    expect(stateOf('billing')).toMatchObject({ ready: true, degraded: true });
    await hear(0);
    expect(stateOf('keys')).toEqual({ ready: true });
  });

  it.each([140, -140])('follows a clock of billing that is %d ms ahead, and is not ready until its own is right', async (aheadMs) => {
    await hear(aheadMs);
    expect(holder.billingNowMs() - clock.nowMs()).toBe(aheadMs);
    expect(stateOf('clock')).toEqual({ ready: false, detail: `${aheadMs} ms away from billing's clock` });
    clock.setNow(clock.nowMs() + aheadMs);
    for (let beat = 0; beat < 16; beat++) await hear(0);
    expect(stateOf('clock')).toEqual({ ready: true });
  });

  it('takes no message that came late for a clock that is slow', async () => {
    await hear(40);
    await hear(-900);
    await hear(-70);
    expect(holder.billingNowMs() - clock.nowMs()).toBe(40);
    expect(stateOf('clock')).toEqual({ ready: true });
  });
});
