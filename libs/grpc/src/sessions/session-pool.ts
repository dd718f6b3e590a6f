import { isIP } from 'node:net';
import { credentials } from '@grpc/grpc-js';
import type { worker } from '@switchyard/proto';
import { CallTracer, type Tracer } from '@switchyard/telemetry';
import { joinAddress, RESOLVE_INTERVAL_MS, resolveByDns, splitAddress, type ResolveHost } from '../host-addresses.js';
import type { TlsIdentity } from '../tls-identity.js';
import type { AttemptHandle, AttemptListener, AttemptTransport } from './attempt-transport.js';
import { MAX_BODY_BYTES, sessionChannelOptions, type KeepaliveOptions, type SessionLogger } from './session-options.js';
import { OPEN_SESSION } from './session-method.js';
import { WaitingStart } from './waiting-start.js';
import { DRAINED, WorkerSession, type SessionState } from './worker-session.js';

export interface SessionPoolOptions {
  /** `host:port` of workers; each name may stand for many addresses. */
  readonly addresses: readonly string[];
  readonly logger: SessionLogger;
  /** Undefined where nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Plain text when absent. */
  readonly tls?: TlsIdentity | undefined;
  readonly sessionsPerAddress?: number;
  readonly maxAttemptsPerSession?: number;
  readonly resolveIntervalMs?: number;
  /** How long an attempt may wait for a first session (a start-up, a worker that restarts). */
  readonly startWaitMs?: number;
  readonly maxWaitingStarts?: number;
  readonly keepalive?: KeepaliveOptions;
  /** Addresses of a host name; DNS by default. */
  readonly resolve?: ResolveHost;
}

export interface SessionStatus {
  readonly address: string;
  readonly state: SessionState;
  readonly openAttempts: number;
}

const DEFAULTS = { sessionsPerAddress: 2, maxAttemptsPerSession: 2_000, resolveIntervalMs: RESOLVE_INTERVAL_MS, startWaitMs: 2_000, maxWaitingStarts: 1_000 };
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 5_000;
const DRAINED_RETRY_MS = 500;
const NOBODY: readonly string[] = [];

/** A place for one session to an address: holds the current one and reopens it after a loss. */
interface Slot {
  readonly target: Target;
  /** Of all sessions to the address; undefined where nothing is traced. */
  readonly calls: CallTracer | undefined;
  session: WorkerSession | undefined;
  /** In a row; none when the last session was sent away by a worker that drains. */
  failures: number;
  /** Number of the start that it got last. */
  lastPick: number;
  retryTimer: NodeJS.Timeout | undefined;
}

interface Target {
  readonly name: string;
  readonly address: string;
}

/** The ingress's side of the sessions: an AttemptTransport over all workers that the configured names stand for. */
export class SessionPool implements AttemptTransport {
  private readonly slots = new Set<Slot>();
  /** Sessions without a slot that still run attempts. */
  private readonly retired = new Set<WorkerSession>();
  private readonly waiting = new Set<WaitingStart>();
  /** Names of which it was said that they do not resolve. */
  private readonly unresolved = new Set<string>();
  private resolveTimer: NodeJS.Timeout | undefined;
  private isClosed = false;
  private pickCount = 0;

  constructor(private readonly options: SessionPoolOptions) {}

  /** Resolves the names and begins to connect; does not wait for the connections. */
  async open(): Promise<void> {
    await this.resolveAll();
  }

  start(start: worker.StartFrame, listener: AttemptListener): AttemptHandle {
    const isTooLarge = start.body.byteLength > MAX_BODY_BYTES;
    const session = isTooLarge ? undefined : this.pick();
    if (session !== undefined) return session.start(start, listener);
    const waiting = new WaitingStart(start, listener, () => this.waiting.delete(waiting));
    if (isTooLarge) waiting.refuseAsTooLarge(MAX_BODY_BYTES);
    else if (this.isClosed) waiting.refuse('this process is stopping');
    else if (this.hasOpenSession()) waiting.refuse('all workers are at their limit of concurrent attempts');
    else if (this.waiting.size >= (this.options.maxWaitingStarts ?? DEFAULTS.maxWaitingStarts)) waiting.refuse('no worker is connected');
    else {
      this.waiting.add(waiting);
      waiting.refuseAfter(this.options.startWaitMs ?? DEFAULTS.startWaitMs, 'no worker is connected');
    }
    return waiting;
  }

  status(): SessionStatus[] {
    return [...this.sessions()].map(({ address, state, openAttempts }) => ({ address, state, openAttempts }));
  }

  /** A session takes attempts now. */
  get isReady(): boolean {
    return this.hasOpenSession();
  }

  /** Hangs up everywhere; attempts that still run end with SESSION_LOST. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.resolveTimer);
    for (const waiting of this.waiting) waiting.refuse('this process is stopping');
    for (const slot of this.slots) clearTimeout(slot.retryTimer);
    for (const session of this.sessions()) session.close('this process is stopping');
    this.slots.clear();
  }

  /** The open session with the least load, of workers that have not refused; among equals they take turns, so that little load is spread as well. */
  private pick(refusedBy: readonly string[] = NOBODY): WorkerSession | undefined {
    let bestSlot: Slot | undefined;
    let leastLoad = Number.POSITIVE_INFINITY;
    for (const slot of this.slots) {
      const { session } = slot;
      if (session?.state !== 'open' || session.isFull || refusedBy.includes(session.address)) continue;
      const { load } = session;
      if (bestSlot !== undefined && (load > leastLoad || (load === leastLoad && slot.lastPick >= bestSlot.lastPick))) continue;
      bestSlot = slot;
      leastLoad = load;
    }
    if (bestSlot !== undefined) bestSlot.lastPick = ++this.pickCount;
    return bestSlot?.session;
  }

  private hasOpenSession(): boolean {
    for (const { session } of this.slots) if (session?.state === 'open') return true;
    return false;
  }

  private *sessions(): Iterable<WorkerSession> {
    for (const { session } of this.slots) if (session !== undefined) yield session;
    yield* this.retired;
  }

  private async resolveAll(): Promise<void> {
    this.resolveTimer = undefined;
    const targets = (await Promise.all(this.options.addresses.map((name) => this.resolveName(name)))).flat();
    if (this.isClosed) return;
    this.follow(targets);
    this.resolveTimer = setTimeout(() => void this.resolveAll(), this.options.resolveIntervalMs ?? DEFAULTS.resolveIntervalMs);
    this.resolveTimer.unref();
  }

  /** A name that does not resolve now keeps the addresses it had. */
  private async resolveName(name: string): Promise<Target[]> {
    const { host, port } = splitAddress(name);
    if (isIP(host) !== 0) return [{ name, address: joinAddress(host, port) }];
    try {
      const addresses = await (this.options.resolve ?? resolveByDns)(host);
      if (addresses.length === 0) throw new Error(`${host} has no addresses`);
      if (this.unresolved.delete(name)) this.options.logger.info('a worker name resolves again', { host: name });
      return addresses.map((address) => ({ name, address: joinAddress(address, port) }));
    } catch (error) {
      if (!this.unresolved.has(name)) this.options.logger.warn('a worker name did not resolve; its last addresses stay in use', { host: name, error });
      this.unresolved.add(name);
      const known = new Map([...this.slots].filter(({ target }) => target.name === name).map(({ target }) => [target.address, target]));
      return [...known.values()];
    }
  }

  private follow(targets: readonly Target[]): void {
    const wanted = new Map(targets.map((target) => [target.address, target]));
    const held = new Set<string>();
    for (const slot of this.slots) {
      // Several slots share an address.
      if (wanted.has(slot.target.address)) held.add(slot.target.address);
      else this.removeSlot(slot);
    }
    for (const target of wanted.values()) {
      if (held.has(target.address)) continue;
      const calls = this.options.tracer && new CallTracer(this.options.tracer, [target.name]);
      for (let index = 0; index < (this.options.sessionsPerAddress ?? DEFAULTS.sessionsPerAddress); index++) {
        const slot: Slot = { target, calls, session: undefined, failures: 0, lastPick: 0, retryTimer: undefined };
        this.slots.add(slot);
        this.connect(slot);
      }
    }
  }

  private removeSlot(slot: Slot): void {
    this.slots.delete(slot);
    clearTimeout(slot.retryTimer);
    if (slot.session === undefined) return;
    this.retired.add(slot.session);
    slot.session.retire();
  }

  private connect(slot: Slot): void {
    const authority = slot.target.name;
    const { tls } = this.options;
    slot.session = new WorkerSession({
      address: slot.target.address,
      credentials: tls?.channelCredentials ?? credentials.createInsecure(),
      channelOptions: {
        ...sessionChannelOptions(this.options.keepalive),
        'grpc.default_authority': authority,
        'grpc.ssl_target_name_override': tls?.serverName ?? splitAddress(authority).host,
      },
      maxAttempts: this.options.maxAttemptsPerSession ?? DEFAULTS.maxAttemptsPerSession,
      opening: slot.calls?.begin(OPEN_SESSION),
      logger: this.options.logger,
      startElsewhere: (start, listener, refusedBy) => this.pick(refusedBy)?.start(start, listener, refusedBy),
      onStateChange: (session) => this.onStateChange(slot, session),
    });
  }

  private onStateChange(slot: Slot, session: WorkerSession): void {
    if (session.state === 'open') {
      if (slot.failures > 0) this.options.logger.info('a worker session is open again', { address: slot.target.address });
      slot.failures = 0;
      return this.startWaiting();
    }
    if (session.state === 'draining') return this.lookForOthers();
    if (session.state !== 'closed') return;
    this.retired.delete(session);
    if (this.isClosed || !this.slots.has(slot)) return;
    slot.session = undefined;
    const { closeReason: reason } = session;
    if (slot.failures === 0) this.options.logger.info('a worker session closed; it is opened again', { address: slot.target.address, reason });
    const delayMs = reason === DRAINED ? DRAINED_RETRY_MS : Math.min(FIRST_RETRY_MS * 2 ** slot.failures++, LONGEST_RETRY_MS);
    slot.retryTimer = setTimeout(() => this.connect(slot), delayMs);
    slot.retryTimer.unref();
  }

  /**
   * Whoever drains is being replaced: its successor may be there already, behind the same name or at an address that did not answer before. A session that
   * was sent away is no such address: two to one worker would call each other back for as long as it drains.
   */
  private lookForOthers(): void {
    if (this.resolveTimer !== undefined) {
      clearTimeout(this.resolveTimer);
      void this.resolveAll();
    }
    for (const slot of this.slots) {
      if (slot.session !== undefined || slot.failures === 0) continue;
      clearTimeout(slot.retryTimer);
      this.connect(slot);
    }
  }

  private startWaiting(): void {
    for (const waiting of this.waiting) {
      const session = this.pick();
      if (session === undefined) return;
      waiting.startOn(session);
    }
  }
}
