import type { NotificationListener } from './notification-listener.store.js';

export interface Deadline {
  readonly isOver: boolean;
  cancel(): void;
}

/** Looks again at the latest after this time, should a signal get lost. */
const LOOK_AGAIN_MS = 100;

/** Wakes calls that wait for amounts to come back. */
export class ReleaseWaiter {
  private readonly waiting = new Set<() => void>();
  private readonly stopListening: () => void;

  constructor(listener: Pick<NotificationListener, 'on'>) {
    this.stopListening = listener.on('billing_releases', () => this.wakeAll());
  }

  stop(): void {
    this.stopListening();
    this.wakeAll();
  }

  deadline(timeoutMs: number): Deadline {
    const state = { isOver: false };
    const timer = setTimeout(() => {
      state.isOver = true;
      this.wakeAll();
    }, timeoutMs);
    return {
      get isOver() {
        return state.isOver;
      },
      cancel: () => clearTimeout(timer),
    };
  }

  /** Resolves when something came back, or might have. */
  async next(deadline: Deadline): Promise<void> {
    if (deadline.isOver) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(wake, LOOK_AGAIN_MS);
      const { waiting } = this;
      function wake(): void {
        clearTimeout(timer);
        waiting.delete(wake);
        resolve();
      }
      waiting.add(wake);
    });
  }

  private wakeAll(): void {
    for (const wake of [...this.waiting]) wake();
  }
}
