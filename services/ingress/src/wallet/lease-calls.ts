import { SwitchyardError } from '@switchyard/errors';
import type { billing, LeasePort } from '@switchyard/proto';
import type { CallTrace, CallTracer, Logger } from '@switchyard/telemetry';

export interface LeaseCallOptions {
  readonly holderId: string;
  readonly epoch: bigint;
  readonly acquireTimeoutMs: number;
}

const RELEASE_ATTEMPTS = 3;
/** Billing takes twice as many in one call. */
const MAX_SENT_AGAIN = 5_000;
/** Of a longer outage the first: those of its beginning may have been granted. */
const MAX_UNHEARD = 1_000;
const ACQUIRE_LEASES = 'switchyard.billing.v1.LeaseService/AcquireLeases';
const RELEASE_LEASES = 'switchyard.billing.v1.LeaseService/ReleaseLeases';

/** The holder's calls to billing: what is asked for, what is given back, and which of them are under way. */
export class LeaseCalls {
  /** Calls for leases so far, tried again ones included: for the metric and the tests that bound it. */
  acquireCount = 0;
  private openAcquireCount = 0;
  private requestCount = 0;
  private readonly releasing = new Set<Promise<void>>();
  /** What billing did not take, by lease. */
  private readonly unsent = new Map<string, billing.LeaseRelease>();
  /** Calls without an answer, oldest first. */
  private readonly unheardCalls = new Set<billing.AcquireLeasesRequest>();
  private isSendingAgain = false;

  constructor(
    private readonly leasePort: LeasePort,
    private readonly logger: Logger,
    private readonly options: LeaseCallOptions,
    /** Undefined where nothing is traced. */
    private readonly calls?: CallTracer,
  ) {}

  /** A lease may be on its way here. */
  get isAcquiring(): boolean {
    return this.openAcquireCount > 0 || this.unheardCalls.size > 0;
  }

  /** Calls under way that give something back; they never fail. */
  get openReleases(): readonly Promise<void>[] {
    return [...this.releasing];
  }

  /** What `acquire` is to be traced as, known to those that wait before it begins; undefined where nothing is traced. */
  traceAcquire(): CallTrace | undefined {
    return this.calls?.begin(ACQUIRE_LEASES);
  }

  /** @throws SwitchyardError what billing refuses with, or `gateway_unavailable` after two tries. */
  async acquire(scopes: billing.ScopeRequest[], acceptTimeMs: number, trace: CallTrace | undefined): Promise<billing.AcquireLeasesResponse> {
    const { holderId, epoch } = this.options;
    this.openAcquireCount++;
    const request = { holderId, epoch, requestId: `${holderId}:${this.requestCount++}`, scopes, acceptTimeMs: BigInt(acceptTimeMs) };
    try {
      const response = await this.tryTwice(request, trace?.traceparent);
      trace?.end();
      return response;
    } catch (error) {
      trace?.end({ error });
      if (!isRefusal(error) && this.unheardCalls.size < MAX_UNHEARD) this.unheardCalls.add(request);
      throw error;
    } finally {
      this.openAcquireCount--;
    }
  }

  /** Calls that billing may have granted without our hearing of it, oldest first. */
  get unheard(): readonly billing.AcquireLeasesRequest[] {
    return [...this.unheardCalls];
  }

  /**
   * What a call was granted that had no answer: the same call once more, which otherwise wants nothing. Billing may grant the least that
   * makes a lease. Undefined when there is again no answer.
   */
  async hear(request: billing.AcquireLeasesRequest): Promise<readonly billing.Lease[] | undefined> {
    const scopes = request.scopes.map(({ scope }) => ({ scope, amountNeeded: 0n, amountWanted: 0n, recentSpend: 0n }));
    this.acquireCount++;
    try {
      const { leases } = await this.leasePort.acquireLeases({ ...request, scopes }, { timeoutMs: this.options.acquireTimeoutMs });
      this.unheardCalls.delete(request);
      return leases;
    } catch (error) {
      if (!isRefusal(error)) return undefined;
      this.unheardCalls.delete(request);
      return [];
    }
  }

  /** What billing does not take is kept for `sendAgain`: it would hold that for as long as it takes a lease for abandoned. */
  release(releases: billing.LeaseRelease[]): Promise<void> {
    return this.track(this.releaseNow(releases, RELEASE_ATTEMPTS));
  }

  /** Whether billing has still to hear what came back. */
  get hasUnsent(): boolean {
    return this.unsent.size > 0;
  }

  /** One try for what billing did not take. Amounts count from a lease's beginning, so it may have heard of more meanwhile. */
  async sendAgain(): Promise<void> {
    if (this.isSendingAgain || this.unsent.size === 0) return;
    this.isSendingAgain = true;
    const releases = [...this.unsent.values()].slice(0, MAX_SENT_AGAIN);
    for (const { leaseId } of releases) this.unsent.delete(leaseId);
    await this.track(this.releaseNow(releases, 1));
    this.isSendingAgain = false;
  }

  /** One more try with the same id after a lost answer: leases that were granted the first time are granted again, not twice. */
  private async tryTwice(request: billing.AcquireLeasesRequest, traceparent: string | undefined): Promise<billing.AcquireLeasesResponse> {
    const options = { timeoutMs: this.options.acquireTimeoutMs, traceparent };
    this.acquireCount++;
    try {
      return await this.leasePort.acquireLeases(request, options);
    } catch (error) {
      if (!(error instanceof SwitchyardError) || error.type !== 'gateway_unavailable') throw error;
      this.acquireCount++;
      return this.leasePort.acquireLeases(request, options);
    }
  }

  private async track(releasing: Promise<void>): Promise<void> {
    this.releasing.add(releasing);
    await releasing;
    this.releasing.delete(releasing);
  }

  private async releaseNow(releases: billing.LeaseRelease[], attempts: number): Promise<void> {
    const trace = this.calls?.begin(RELEASE_LEASES);
    let failure: unknown;
    for (let attempt = 0; attempt < attempts; attempt++) {
      try {
        const { holderId, epoch } = this.options;
        await this.leasePort.releaseLeases({ holderId, epoch, releases }, { traceparent: trace?.traceparent });
        trace?.end();
        return;
      } catch (error) {
        failure = error;
      }
    }
    trace?.end({ error: failure });
    if (!this.hasUnsent && attempts > 1) this.logger.warn('could not give leases back; it is tried again', { error: failure, count: releases.length });
    for (const release of releases) this.keepUnsent(release);
  }

  private keepUnsent(release: billing.LeaseRelease): void {
    const known = this.unsent.get(release.leaseId);
    if (!known || (release.releasedTotal >= known.releasedTotal && !known.isClosed)) this.unsent.set(release.leaseId, release);
  }
}

/** Billing has answered, and granted nothing. */
function isRefusal(error: unknown): boolean {
  return error instanceof SwitchyardError && (error.row.blame === 'client' || error.row.blame === 'account');
}
