/**
 * The windows that limits and quotas count in. Ingresses name them when they ask for leases and billing when it grants and settles:
 * both have to mean the same.
 */

/** How often a key's limit starts anew; empty: never. */
export type LimitReset = '' | 'daily' | 'weekly' | 'monthly';

/** Half-open, unix milliseconds; `endMs` is undefined when it never ends. */
export interface LimitWindow {
  readonly startMs: number;
  readonly endMs: number | undefined;
}

export const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** 1 January 1970 was a Thursday; weeks begin on Monday. */
const DAYS_FROM_MONDAY_TO_EPOCH = 3;

export const LIFETIME_WINDOW: LimitWindow = { startMs: 0, endMs: undefined };

/** The window of a limit that a moment lies in. All begin at 00:00 UTC, weeks on Mondays, months on the first. */
export function limitWindow(reset: LimitReset, timeMs: number): LimitWindow {
  switch (reset) {
    case '':
      return LIFETIME_WINDOW;
    case 'daily':
      return dayWindow(timeMs);
    case 'weekly':
      return weekWindow(timeMs);
    case 'monthly':
      return monthWindow(timeMs);
  }
}

export function minuteWindow(timeMs: number): LimitWindow {
  const startMs = Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
  return { startMs, endMs: startMs + MINUTE_MS };
}

export function dayWindow(timeMs: number): LimitWindow {
  const startMs = Math.floor(timeMs / DAY_MS) * DAY_MS;
  return { startMs, endMs: startMs + DAY_MS };
}

export function weekWindow(timeMs: number): LimitWindow {
  const day = Math.floor(timeMs / DAY_MS);
  const daysSinceMonday = (day + DAYS_FROM_MONDAY_TO_EPOCH) % 7;
  const startMs = (day - daysSinceMonday) * DAY_MS;
  return { startMs, endMs: startMs + 7 * DAY_MS };
}

export function monthWindow(timeMs: number): LimitWindow {
  const time = new Date(timeMs);
  const year = time.getUTCFullYear();
  const month = time.getUTCMonth();
  return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
}
