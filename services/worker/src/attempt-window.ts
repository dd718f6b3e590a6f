/** Bytes that an attempt may still send. One frame may overdraw it, so that a large event never gets stuck. */
export class AttemptWindow {
  private waiter: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  private abortError: Error | undefined;

  constructor(private roomBytes: number) {}

  get bytesLeft(): number {
    return this.roomBytes;
  }

  get hasRoom(): boolean {
    return this.roomBytes > 0;
  }

  use(bytes: number): void {
    this.roomBytes -= bytes;
  }

  grant(bytes: number): void {
    this.roomBytes += bytes;
    if (this.roomBytes <= 0) return;
    this.waiter?.resolve();
    this.waiter = undefined;
  }

  /** Resolves once something may be sent. @throws what `abort` was given. */
  room(): Promise<void> {
    if (this.abortError !== undefined) return Promise.reject(this.abortError);
    if (this.hasRoom) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiter = { resolve, reject };
    });
  }

  abort(error: Error): void {
    this.abortError ??= error;
    this.waiter?.reject(this.abortError);
    this.waiter = undefined;
  }
}
