import { isStatementCancelled } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';

const RETRY_AFTER_MS = 5_000;

/** Bounds how many reads of whole months run at a time, so that they leave connections to leases and keys. */
export class LongReads {
  private running = 0;

  constructor(private readonly maxRunning: number) {}

  /** @throws SwitchyardError `rate_limit_exceeded` when too many run already, `timeout` when the database gives it up */
  async run<Result>(read: () => Promise<Result>): Promise<Result> {
    if (this.running >= this.maxRunning)
      throw new SwitchyardError('rate_limit_exceeded', 'Other reports are being made; try again shortly.', { retryAfterMs: RETRY_AFTER_MS });
    this.running++;
    try {
      return await read();
    } catch (error) {
      if (!isStatementCancelled(error)) throw error;
      throw new SwitchyardError('timeout', 'Reading all of this takes longer than it may. Ask for fewer days, or at a quieter time.', { cause: error });
    } finally {
      this.running--;
    }
  }
}
