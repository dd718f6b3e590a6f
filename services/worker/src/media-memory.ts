import { SwitchyardError } from '@switchyard/errors';

/** What the downloads of all requests under way take together, so that a few with many large files cannot exhaust the worker. One request may take half of it. */
export class MediaMemory {
  private heldBytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** One request's share, empty at first. */
  open(): MediaShare {
    return new MediaShare(this.maxBytes / 2, (bytes) => {
      if (bytes > 0 && this.heldBytes + bytes > this.maxBytes) return false;
      this.heldBytes += bytes;
      return true;
    });
  }
}

/** Grows while files are downloaded; give it back when the request is over. */
export class MediaShare {
  private bytes = 0;
  private isReleased = false;

  constructor(
    private readonly maxBytes: number,
    private readonly change: (bytes: number) => boolean,
  ) {}

  /** @throws SwitchyardError `image_too_large`; `gateway_unavailable` when all requests together would hold too much */
  grow(bytes: number): void {
    if (this.isReleased) return;
    if (this.bytes + bytes > this.maxBytes)
      throw new SwitchyardError('image_too_large', `What the request names by URL has more than ${this.maxBytes} bytes together.`);
    // Another worker, or the same a moment later, will do.
    if (!this.change(bytes))
      throw new SwitchyardError('gateway_unavailable', 'This worker holds as many downloaded bytes as it may; try again shortly.', { retryAfterMs: 1_000 });
    this.bytes += bytes;
  }

  release(): void {
    this.isReleased = true;
    this.change(-this.bytes);
    this.bytes = 0;
  }
}
