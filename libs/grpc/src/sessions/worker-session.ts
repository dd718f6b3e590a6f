import { Client, type ChannelCredentials, type ClientDuplexStream, type ChannelOptions } from '@grpc/grpc-js';
import { BriefMap } from '@switchyard/core';
import { worker } from '@switchyard/proto';
import { RPC, type CallTrace } from '@switchyard/telemetry';
import { callMetadata } from '../call-metadata.js';
import { splitAddress } from '../host-addresses.js';
import { sessionLostEnd, type AttemptHandle, type AttemptListener } from './attempt-transport.js';
import { FadingCount } from './fading-count.js';
import { FrameBatcher, MESSAGE_HEAD_BYTES } from './frame-batcher.js';
import { encodeIngressFrame, openSessionMethod } from './session-method.js';
import { MEBIBYTE, type SessionLogger } from './session-options.js';

/** Bodies of started attempts that may wait for the connection; more go to another session or are refused. */
const MAX_PENDING_START_BYTES = 64 * MEBIBYTE;
const MAX_REQUEST_ID = 0xffff_ffff;
const NOBODY: readonly string[] = [];

/** Close reason of a session that ended as planned. */
export const DRAINED = 'drained';

export type SessionState = 'connecting' | 'open' | 'draining' | 'closed';

export interface WorkerSessionOptions {
  /** `ip:port` to dial. */
  readonly address: string;
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ChannelOptions;
  readonly maxAttempts: number;
  /** Undefined where nothing is traced. */
  readonly opening?: CallTrace | undefined;
  readonly logger: SessionLogger;
  /** Has another worker than those at these addresses run an attempt that this one has no room for; undefined where none takes it. */
  readonly startElsewhere: (start: worker.StartFrame, listener: AttemptListener, refusedBy: readonly string[]) => AttemptHandle | undefined;
  /** Called when the state changed; `closed` is the last one. */
  readonly onStateChange: (session: WorkerSession) => void;
}

/** One long-lived stream to one worker. It never reconnects: a broken one is `closed`, and its attempts ended SESSION_LOST. */
export class WorkerSession {
  private readonly client: Client;
  private readonly call: ClientDuplexStream<Buffer, worker.OpenSessionResponse>;
  private readonly attempts = new BriefMap<number, SessionAttempt>();
  private readonly batcher: FrameBatcher<worker.IngressFrame>;
  /** Attempts that no provider answered. */
  private readonly unanswered = new FadingCount();
  private nextRequestId = 1;
  private currentState: SessionState = 'connecting';
  private lossReason = 'the connection closed';

  constructor(private readonly options: WorkerSessionOptions) {
    this.client = new Client(options.address, options.credentials, options.channelOptions);
    const { path, requestSerialize, responseDeserialize } = openSessionMethod;
    this.call = this.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, callMetadata(options.opening?.traceparent));
    this.batcher = new FrameBatcher(encodeIngressFrame, (headAndMessage, done) => this.call.write(headAndMessage.subarray(MESSAGE_HEAD_BYTES), done));
    this.call.on('metadata', () => {
      this.traceOpening();
      this.changeState('connecting', 'open');
    });
    this.call.on('data', (message: worker.OpenSessionResponse) => {
      for (const frame of message.frames) this.receive(frame);
    });
    this.call.on('error', (error) => {
      this.traceOpening(error);
      this.close(error.message);
    });
    this.call.on('end', () => this.close('the worker ended the session'));
    this.call.on('close', () => this.close(this.lossReason));
  }

  get state(): SessionState {
    return this.currentState;
  }

  get address(): string {
    return this.options.address;
  }

  get openAttempts(): number {
    return this.attempts.size;
  }

  /**
   * How busy the worker is: its open attempts, and those that no provider answered of late. A worker that reaches none is rid of its attempts at once, and
   * would be given nearly all of them.
   */
  get load(): number {
    return this.attempts.size + Math.round(this.unanswered.value);
  }

  /** Takes no new attempts although connected. */
  get isFull(): boolean {
    return this.attempts.size >= this.options.maxAttempts || this.batcher.pendingBytes >= MAX_PENDING_START_BYTES;
  }

  /** `refusedBy`: the workers that had no room for it. */
  start(start: worker.StartFrame, listener: AttemptListener, refusedBy: readonly string[] = NOBODY): AttemptHandle {
    const requestId = this.takeRequestId();
    const attempt = new SessionAttempt(requestId, start, listener, refusedBy, this.batcher, this.options);
    this.batcher.add({ requestId, frame: { $case: 'start', value: start } });
    this.attempts.set(requestId, attempt);
    return attempt;
  }

  /** Lets running attempts end, then hangs up. */
  retire(): void {
    if (this.currentState === 'connecting') return this.close('not needed any more');
    this.changeState('open', 'draining');
    this.hangUpWhenIdle();
  }

  /** Hangs up now; what runs is lost. */
  close(reason: string): void {
    if (this.currentState === 'closed') return;
    this.lossReason = reason;
    this.currentState = 'closed';
    this.batcher.close();
    this.call.cancel();
    this.client.close();
    const attempts = [...this.attempts.values()];
    this.attempts.clear();
    for (const attempt of attempts) attempt.end(sessionLostEnd(`the connection to the worker was lost: ${reason}`));
    this.options.onStateChange(this);
  }

  get closeReason(): string {
    return this.lossReason;
  }

  /** What becomes of a session that is open, or that we hung up ourselves, is not its opening. */
  private traceOpening(error?: Error): void {
    const { opening, address } = this.options;
    if (!opening || this.currentState !== 'connecting') return;
    const { host, port } = splitAddress(address);
    opening.end({ error, attributes: { [RPC.peerAddress]: host, [RPC.peerPort]: Number(port) } });
  }

  private receive({ requestId, frame }: worker.WorkerFrame): void {
    if (frame?.$case === 'draining') {
      this.changeState('open', 'draining');
      return this.hangUpWhenIdle();
    }
    const attempt = this.attempts.get(requestId);
    if (frame === undefined || attempt === undefined) return;
    if (frame.$case !== 'end') return attempt.receive(frame);
    this.attempts.delete(requestId);
    const { end, error } = frame.value;
    const isUnanswered = end === worker.AttemptEnd.FAILED && error?.upstreamStatus === 0;
    if (isUnanswered) this.unanswered.add();
    // No room in this worker is no news for the client while another has some.
    if (!isUnanswered || error.errorType !== 'gateway_unavailable' || !attempt.moveElsewhere()) attempt.end(frame.value);
    this.hangUpWhenIdle();
  }

  private hangUpWhenIdle(): void {
    if (this.currentState !== 'draining' || this.attempts.size > 0) return;
    this.close(DRAINED);
  }

  private changeState(from: SessionState, to: SessionState): void {
    if (this.currentState !== from) return;
    this.currentState = to;
    this.options.onStateChange(this);
  }

  private takeRequestId(): number {
    while (this.attempts.has(this.nextRequestId)) this.nextRequestId = (this.nextRequestId % MAX_REQUEST_ID) + 1;
    const requestId = this.nextRequestId;
    this.nextRequestId = (this.nextRequestId % MAX_REQUEST_ID) + 1;
    return requestId;
  }
}

type AttemptFrame = Exclude<NonNullable<worker.WorkerFrame['frame']>, { $case: 'draining' | 'end' }>;

class SessionAttempt implements AttemptHandle {
  private isOver = false;
  private grantedBytes = 0;
  /** What was granted before anything came of it here. */
  private earlyBytes = 0;
  private moved: AttemptHandle | undefined;

  constructor(
    private readonly requestId: number,
    /** Undefined once something came of it here, or nobody wants it any more: it will not begin anew elsewhere. */
    private startFrame: worker.StartFrame | undefined,
    private readonly listener: AttemptListener,
    private readonly refusedBy: readonly string[],
    private readonly batcher: FrameBatcher<worker.IngressFrame>,
    private readonly options: WorkerSessionOptions,
  ) {}

  get session(): CallTrace | undefined {
    return this.moved ? this.moved.session : this.options.opening;
  }

  /** Grants of one turn travel as one frame. */
  grant(bytes: number): void {
    if (this.moved) return this.moved.grant(bytes);
    if (this.isOver || bytes <= 0) return;
    if (this.startFrame) this.earlyBytes += bytes;
    if (this.grantedBytes === 0) queueMicrotask(() => this.sendGrant());
    this.grantedBytes += bytes;
  }

  cancel(reason: string): void {
    if (this.moved) return this.moved.cancel(reason);
    this.startFrame = undefined;
    if (!this.isOver) this.batcher.add({ requestId: this.requestId, frame: { $case: 'cancel', value: { reason } } });
  }

  receive(frame: AttemptFrame): void {
    this.startFrame = undefined;
    this.guard(() => {
      if (frame.$case === 'data') this.listener.onData(frame.value);
      else if (frame.$case === 'headers') this.listener.onHeaders(frame.value);
      else this.listener.onUsage(frame.value);
    });
  }

  /** False where its end stands. */
  moveElsewhere(): boolean {
    const { startFrame, listener, refusedBy, options } = this;
    this.moved = startFrame && options.startElsewhere(startFrame, listener, [...refusedBy, options.address]);
    if (!this.moved) return false;
    this.startFrame = undefined;
    this.moved.grant(this.earlyBytes);
    return true;
  }

  end(frame: worker.EndFrame): void {
    this.isOver = true;
    this.startFrame = undefined;
    this.guard(() => this.listener.onEnd(frame));
  }

  /** One listener's bug must not end the other attempts of the session. */
  private guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.options.logger.warn('an attempt listener threw', { error });
    }
  }

  private sendGrant(): void {
    const bytes = this.grantedBytes;
    this.grantedBytes = 0;
    if (!this.isOver && !this.moved) this.batcher.add({ requestId: this.requestId, frame: { $case: 'grant', value: { bytes: BigInt(bytes) } } });
  }
}
