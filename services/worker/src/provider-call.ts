import type { UpstreamFailure } from '@switchyard/dialects/provider';
import { SwitchyardError } from '@switchyard/errors';
import type { AttemptDeadlines } from './attempt-deadlines.js';
import type { AttemptNotes } from './attempt-notes.js';
import { transportError, upstreamFailureError } from './core/attempt-errors.js';
import type { PulledBody } from './pulled-body.js';
import { decodedBody, readBeginning, readWhole } from './upstream-body.js';
import type { UpstreamCall, UpstreamHead } from './upstream-http.js';

const MAX_ERROR_BYTES = 64 * 1024;

/** What an attempt asks its provider for: the answer's head, then its body under the attempt's clocks; and what becomes of failures. */
export class ProviderCall implements PulledBody {
  /** Of the answer, without parameters; empty where it names none. */
  contentType = '';
  private body: PulledBody;
  private error: Error | undefined;
  private isReadWhole = false;

  constructor(
    private readonly call: UpstreamCall,
    private readonly notes: AttemptNotes,
    private readonly deadlines: AttemptDeadlines,
    private readonly providerName: string,
    /** The operator's, which providers may repeat. */
    private readonly credential: string | undefined,
  ) {
    this.body = call;
  }

  /** What it was aborted with. */
  get abortError(): Error | undefined {
    return this.error;
  }

  /** @throws SwitchyardError for whatever goes wrong with the connection. */
  async answered(): Promise<UpstreamHead> {
    try {
      const head = await this.call.answered();
      this.notes.noteHead(head);
      this.contentType = contentTypeOf(head);
      this.body = decodedBody(this.call, head.headers['content-encoding'], this.providerName);
      return head;
    } catch (error) {
      throw transportError(error, this.providerName);
    }
  }

  get isAtEnd(): boolean {
    return this.body.isAtEnd;
  }

  /** The provider is to blame for a long wait. */
  arrival(): Promise<void> | undefined {
    const arrival = this.body.arrival();
    if (arrival !== undefined) this.deadlines.onWaiting();
    return arrival;
  }

  /** @throws SwitchyardError, or what `abort` was given. */
  take(maxBytes?: number): Buffer | undefined {
    if (this.error !== undefined) throw this.error;
    try {
      const bytes = this.body.take(maxBytes);
      if (bytes === undefined) return undefined;
      this.notes.receivedBytes += bytes.byteLength;
      if (this.isReadWhole && !isBlank(bytes)) this.deadlines.onBeginning();
      return bytes;
    } catch (error) {
      throw this.error ?? (error instanceof SwitchyardError ? error : this.cut(error));
    }
  }

  /** All of the body, until anything else happens. @throws SwitchyardError also when there is more than `maxBytes`. */
  whole(maxBytes: number): Promise<Buffer> {
    this.isReadWhole = true;
    return readWhole(this, maxBytes, this.providerName);
  }

  /** The beginning of a body that tells why the provider refused; empty where it cannot be read. */
  refusalText(): Promise<Buffer> {
    return readBeginning(this.body, MAX_ERROR_BYTES).catch(() => Buffer.alloc(0));
  }

  /** The beginning of an answer that is not what was asked for. */
  unexpectedText(): Promise<Buffer> {
    return readBeginning(this, MAX_ERROR_BYTES);
  }

  /** Nobody waits for the provider: its silence is not its fault. */
  onPaused(): void {
    this.deadlines.onPaused();
  }

  onContent(): void {
    this.deadlines.onContent();
  }

  /** The rest is of no interest, yet the connection is worth keeping. */
  discard(): void {
    this.call.discard();
  }

  /** Hangs up; the first error counts. */
  abort(error: Error): void {
    this.error ??= error;
    this.call.abort(error);
  }

  /** What the provider itself reported. */
  failed(failure: UpstreamFailure): SwitchyardError {
    return upstreamFailureError(failure, this.credential);
  }

  cut(cause?: unknown): SwitchyardError {
    const { upstreamStatus } = this.notes;
    return new SwitchyardError('provider_unavailable', `${this.providerName} cut the answer off: the stream was cut.`, { upstreamStatus, cause });
  }

  wrongContentType(contentType: string): SwitchyardError {
    const { upstreamStatus } = this.notes;
    return new SwitchyardError('provider_unavailable', `${this.providerName} answered with ${contentType.slice(0, 60)}.`, { upstreamStatus });
  }
}

/** JSON's white space, which some providers send while an answer is still to come. */
function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte <= 0x20);
}

function contentTypeOf(head: UpstreamHead): string {
  const value = head.headers['content-type'] ?? '';
  const end = value.indexOf(';');
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}
