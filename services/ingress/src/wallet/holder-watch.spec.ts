import { afterEach, describe, expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import { billing, type LeasePort } from '@switchyard/proto';
import { captureLogger, eventually, realClock } from '@switchyard/testing';
import { HolderWatch } from './holder-watch.js';
import type { Wallet } from './wallet.js';

/** Billing that is away at first; every watch it takes begins with one message and stays open. */
class ReturningBilling {
  watchCount = 0;
  isAway = true;

  readonly port = {
    watchHolder: (_request: unknown, options?: { readonly signal?: AbortSignal | undefined }) => this.watch(options?.signal),
  } as Pick<LeasePort, 'watchHolder'> as LeasePort;

  private async *watch(signal: AbortSignal | undefined): AsyncGenerator<billing.WatchHolderResponse> {
    this.watchCount++;
    if (this.isAway) throw new SwitchyardError('gateway_unavailable', 'billing is away');
    const aborted = Promise.withResolvers<void>();
    signal?.addEventListener('abort', () => aborted.resolve());
    yield billing.WatchHolderResponse.create({ serverTimeMs: BigInt(Date.now()), recalls: [{ leaseId: 'lease-1' }] });
    await aborted.promise;
  }
}

describe('the watch of a holder of leases', () => {
  const logger = captureLogger();
  const recalled: string[] = [];
  const wallet = { recall: (leaseIds: readonly string[]) => recalled.push(...leaseIds) } as unknown as Wallet;
  const source = new ReturningBilling();
  const options = { holderId: 'holder', epoch: 1n, reconnectDelayMs: 1, heartbeatTimeoutMs: 60_000, maxClockSkewMs: 60_000 };
  const watch = new HolderWatch(source.port, wallet, realClock(), logger, options);

  afterEach(() => watch.close());

  it('says once that billing is away, however often it tries, and once that it is back; then it passes recalls on', async () => {
    watch.start();
    await eventually(() => expect(source.watchCount).toBeGreaterThan(5));
    expect(watch.hasBeenLive).toBe(false);
    expect(logger.lines).toMatchObject([{ level: 'warn', message: 'Leases cannot be watched; those held are spent' }]);
    source.isAway = false;
    await eventually(() => expect(watch.isLive).toBe(true));
    expect(recalled).toEqual(['lease-1']);
    expect(logger.lines.slice(1)).toMatchObject([{ level: 'info', message: 'Leases are watched again' }]);
  });
});
