import type { Clock } from '@switchyard/core';
import { billing, type LeasePort } from '@switchyard/proto';
import type { Logger } from '@switchyard/telemetry';
import { LeaseCalls } from '../wallet/lease-calls.js';
import { Wallet } from '../wallet/wallet.js';

/** What a spec's billing can still grant. */
export interface LeaseBook {
  availableIn(scope: billing.LeaseScope): bigint;
  take(scope: billing.LeaseScope, amount: bigint): void;
  /** True: it grants the least that will do; otherwise as much of what is wanted as there is. */
  readonly grantsLeast?: boolean;
  /** Before each answer; may throw. */
  onAcquire?(): void;
}

/** Billing as a wallet sees it: all scopes of a call, or the shortage of one. */
function leasePort(book: LeaseBook): LeasePort {
  let count = 0;
  const grant = ({ scope, amountNeeded, amountWanted }: billing.ScopeRequest): billing.Lease => {
    const available = book.availableIn(scope!);
    const wanted = book.grantsLeast ? amountNeeded : (amountWanted ?? amountNeeded);
    const granted = wanted < available ? wanted : available;
    book.take(scope!, granted);
    return { leaseId: `lease-${count++}`, scope, unit: billing.LeaseUnit.PICO_USD, granted, reserveForMs: 60_000n, settleForMs: 120_000n, epoch: 1n };
  };
  return {
    acquireLeases: async ({ scopes }) => {
      book.onAcquire?.();
      const short = scopes.find(({ scope, amountNeeded }) => amountNeeded > book.availableIn(scope!));
      if (short) return { leases: [], shortage: { scope: short.scope, available: book.availableIn(short.scope!), resetTimeMs: 60_000n, limit: 0n } };
      return { leases: scopes.map(grant), shortage: undefined };
    },
    releaseLeases: async () => ({}),
    watchHolder: async function* () {},
    closeEpoch: async () => ({}),
  };
}

export function walletOver(book: LeaseBook, clock: Clock, logger: Logger): Wallet {
  const calls = new LeaseCalls(leasePort(book), logger, { holderId: 'h', epoch: 1n, acquireTimeoutMs: 1_000 });
  return new Wallet(calls, clock, logger, { maxWaiters: 100, sweepIntervalMs: 1_000 });
}
