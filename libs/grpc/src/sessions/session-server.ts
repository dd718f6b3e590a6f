import { Metadata, status } from '@grpc/grpc-js';
import { BriefMap } from '@switchyard/core';
import type { worker } from '@switchyard/proto';
import { ServedCallTracer, type Tracer } from '@switchyard/telemetry';
import { traceparentOf } from '../call-metadata.js';
import type { NativeGrpcService } from '../native-grpc-service.js';
import type { AttemptHandle, AttemptListener, AttemptTransport } from './attempt-transport.js';
import { FrameBatcher } from './frame-batcher.js';
import { encodeWorkerFrame, messageWriter, OPEN_SESSION, openSessionMethod, type SessionCall } from './session-method.js';
import type { SessionLogger } from './session-options.js';

/**
 * The runner gets the ingress's window in slices of this size, so that a congested connection stops every attempt of the
 * session after at most this much more each.
 */
const WINDOW_SLICE_BYTES = 16 * 1024;

export interface SessionServerOptions {
  readonly transport: AttemptTransport;
  readonly logger: SessionLogger;
  /** Undefined where nothing is traced. */
  readonly tracer?: Tracer | undefined;
}

/** The worker's side of `WorkerService.OpenSession`: runs the attempts that ingresses start and sends their frames back. */
export class SessionServer {
  private readonly sessions = new Set<ServedSession>();
  private readonly calls: ServedCallTracer | undefined;
  private isDraining = false;
  private noneIsLeft: (() => void) | undefined;

  constructor(private readonly options: SessionServerOptions) {
    this.calls = options.tracer && new ServedCallTracer(options.tracer);
  }

  /** For `grpc.Server.addService`. */
  nativeGrpcService(): NativeGrpcService {
    return { definition: { openSession: openSessionMethod }, implementation: { openSession: (call: SessionCall) => this.accept(call) } };
  }

  /** Handles one call; returns at once, the session lives until either side ends it. */
  accept(call: SessionCall): void {
    const opening = this.calls?.begin(OPEN_SESSION, traceparentOf(call.metadata));
    const session = new ServedSession(call, this.options, () => this.remove(session));
    opening?.end();
    this.sessions.add(session);
    if (this.isDraining) session.drain();
  }

  get openSessions(): number {
    return this.sessions.size;
  }

  get openAttempts(): number {
    let count = 0;
    for (const session of this.sessions) count += session.openAttempts;
    return count;
  }

  /** Tells every ingress to start nothing more here. Attempts that already came run to their end; the ingresses then hang up. */
  drain(): void {
    this.isDraining = true;
    for (const session of this.sessions) session.drain();
  }

  /** Resolves when all ingresses have hung up, or after the time: until then attempts may be on their way that they started before they heard of the drain. */
  async left(withinMs: number): Promise<void> {
    if (this.sessions.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.noneIsLeft = resolve;
    const timer = setTimeout(resolve, withinMs);
    await promise;
    clearTimeout(timer);
  }

  /** Ends all sessions now; what still runs is cancelled. */
  close(): void {
    this.isDraining = true;
    for (const session of this.sessions) session.end();
  }

  private remove(session: ServedSession): void {
    this.sessions.delete(session);
    if (this.sessions.size === 0) this.noneIsLeft?.();
  }
}

class ServedSession {
  private readonly attempts = new BriefMap<number, ServedAttempt>();
  private readonly batcher: FrameBatcher<worker.WorkerFrame>;
  private isOver = false;

  constructor(
    private readonly call: SessionCall,
    private readonly options: SessionServerOptions,
    private readonly onOver: () => void,
  ) {
    this.batcher = new FrameBatcher(encodeWorkerFrame, messageWriter(call), () => this.passWindows());
    call.on('data', (message: worker.OpenSessionRequest) => {
      for (const frame of message.frames) this.receive(frame);
    });
    call.on('end', () => this.end());
    call.on('error', (error) => this.lose(error.message));
    call.on('cancelled', () => this.lose('the ingress went away'));
    call.on('close', () => this.lose('the connection closed'));
    // Tells the ingress that the session is up before its first attempt.
    call.sendMetadata(new Metadata());
  }

  get openAttempts(): number {
    return this.attempts.size;
  }

  get isCongested(): boolean {
    return this.batcher.isCongested;
  }

  send(frame: worker.WorkerFrame): void {
    this.batcher.add(frame);
  }

  forget(requestId: number): void {
    this.attempts.delete(requestId);
  }

  drain(): void {
    if (!this.isOver) this.batcher.add({ requestId: 0, frame: { $case: 'draining', value: {} } });
  }

  end(): void {
    if (this.isOver) return;
    this.lose('the session ended');
    this.call.end();
  }

  private receive({ requestId, frame }: worker.IngressFrame): void {
    if (this.isOver || frame === undefined) return;
    if (frame.$case !== 'start') {
      const attempt = this.attempts.get(requestId);
      // A grant or cancel for an attempt that ended meanwhile is normal.
      if (frame.$case === 'grant') attempt?.grant(Number(frame.value.bytes));
      else attempt?.cancel(frame.value.reason);
      return;
    }
    if (requestId === 0 || this.attempts.has(requestId)) return this.refuse(`request id ${requestId} cannot start an attempt`);
    const attempt = new ServedAttempt(requestId, this);
    this.attempts.set(requestId, attempt);
    attempt.run(this.options.transport, frame.value);
  }

  private refuse(details: string): void {
    this.options.logger.warn('an ingress broke the session protocol', { reason: details });
    this.call.emit('error', { code: status.INVALID_ARGUMENT, details });
  }

  private passWindows(): void {
    for (const [requestId, attempt] of [...this.attempts.entries()]) {
      if (this.isCongested) return;
      // Whoever got its turn goes to the end of the queue.
      if (this.attempts.delete(requestId)) this.attempts.set(requestId, attempt);
      attempt.passWindow();
    }
  }

  private lose(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.batcher.close();
    const attempts = [...this.attempts.values()];
    this.attempts.clear();
    if (attempts.length > 0) this.options.logger.warn('a session broke with attempts running', { reason, count: attempts.length });
    for (const attempt of attempts) attempt.cancel(`session lost: ${reason}`);
    this.onOver();
  }
}

/** One attempt of a session: frames out, window in. */
class ServedAttempt implements AttemptListener {
  readonly takesBytesAtOnce = true;
  private handle: AttemptHandle | undefined;
  /** Granted by the ingress and not yet passed to the runner. */
  private heldBytes = 0;
  /** Passed to the runner and not yet used by data. */
  private passedBytes = 0;

  constructor(
    private readonly requestId: number,
    private readonly session: ServedSession,
  ) {}

  run(transport: AttemptTransport, start: worker.StartFrame): void {
    const grantedBytes = Number(start.initialGrantBytes);
    this.passedBytes = this.session.isCongested ? 0 : Math.min(grantedBytes, WINDOW_SLICE_BYTES);
    this.heldBytes = grantedBytes - this.passedBytes;
    this.handle = transport.start({ ...start, initialGrantBytes: BigInt(this.passedBytes) }, this);
  }

  grant(bytes: number): void {
    this.heldBytes += bytes;
    this.passWindow();
  }

  cancel(reason: string): void {
    this.handle?.cancel(reason);
  }

  /** Lets the runner send more when the connection takes it. */
  passWindow(): void {
    if (this.heldBytes <= 0 || this.passedBytes > WINDOW_SLICE_BYTES / 2 || this.session.isCongested) return;
    const bytes = Math.min(this.heldBytes, WINDOW_SLICE_BYTES - this.passedBytes);
    this.heldBytes -= bytes;
    this.passedBytes += bytes;
    this.handle?.grant(bytes);
  }

  onHeaders(value: worker.HeadersFrame): void {
    this.session.send({ requestId: this.requestId, frame: { $case: 'headers', value } });
  }

  onData(value: worker.DataFrame): void {
    this.session.send({ requestId: this.requestId, frame: { $case: 'data', value } });
    // What a client asked to see for debugging is outside the window.
    if (value.isDebug) return;
    this.passedBytes -= value.bytes.byteLength;
    this.passWindow();
  }

  onUsage(value: worker.UsageFrame): void {
    this.session.send({ requestId: this.requestId, frame: { $case: 'usage', value } });
  }

  onEnd(value: worker.EndFrame): void {
    this.session.send({ requestId: this.requestId, frame: { $case: 'end', value } });
    this.session.forget(this.requestId);
  }
}
