import { z } from 'zod';

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KIB: 1024, MIB: 1024 ** 2, GIB: 1024 ** 3 };
const DURATION_UNITS_MS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** Whole bytes from `4096`, `64KiB`, `32MiB`, `1GiB` (also `KB`, `MB`, `GB`), at least `min`. */
export function byteSize({ min = 0 }: Pick<Bounds, 'min'> = {}): z.ZodType<number> {
  return measure(BYTE_UNITS, /^(\d+(?:\.\d+)?)\s*([KMG]i?B|B)?$/i, (unit) => unit.toUpperCase(), 'a size such as 4096, 64KiB or 32MiB')
    .refine((value) => value >= min, `must be at least ${min}`)
    .describe('size');
}

/** What a timer can hold, almost 25 days: a longer one would be over at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Whole milliseconds from `250` (milliseconds), `250ms`, `5s`, `10m`, `24h`, `7d`, that a timer can hold, within bounds, both inclusive. */
export function durationMs({ min = 0, max = TIMER_MAX_MS }: Bounds = {}): z.ZodType<number> {
  return boundedDurationMs(min, max);
}

/** The same for how often something is done. Zero would be all the time, not never. */
export function intervalMs(): z.ZodType<number> {
  return boundedDurationMs(1, TIMER_MAX_MS);
}

const DAY_MS = 86_400_000;

/** The same for how long data is kept: no timer has to hold it. A day at least, since zero is nothing and not for ever, and 90 without a unit would be milliseconds. */
export function retentionMs(): z.ZodType<number> {
  return boundedDurationMs(DAY_MS, Number.MAX_SAFE_INTEGER);
}

function boundedDurationMs(min: number, max: number): z.ZodType<number> {
  return measure(DURATION_UNITS_MS, /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/, (unit) => unit, 'a duration such as 250ms, 5s or 10m')
    .refine((value) => value >= min, `must be at least ${min}ms`)
    .refine((value) => value <= max, `must be at most ${max}ms`)
    .describe('duration');
}

/** `true`, `1`, `yes`, `on` and their opposites. */
export function flag(): z.ZodType<boolean> {
  return z
    .string()
    .transform((text, context) => {
      if (/^(true|1|yes|on)$/i.test(text.trim())) return true;
      if (/^(false|0|no|off)$/i.test(text.trim())) return false;
      context.addIssue('must be true or false');
      return z.NEVER;
    })
    .describe('true or false');
}

/** Texts separated by commas; blanks around them and empty ones are dropped. */
export function list(): z.ZodType<readonly string[]> {
  return z
    .string()
    .transform((text): readonly string[] => splitList(text))
    .describe('list, separated by commas');
}

/** A whole number within bounds, both inclusive. */
export function integer({ min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER }: Bounds = {}): z.ZodType<number> {
  const whole = z.coerce.number('must be a whole number').int('must be a whole number');
  return whole.min(min, `must be at least ${min}`).max(max, `must be at most ${max}`).describe('whole number');
}

export function port(): z.ZodType<number> {
  return integer({ min: 0, max: 65_535 }).describe('port');
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function measure(units: Readonly<Record<string, number>>, pattern: RegExp, normalise: (unit: string) => string, wanted: string): z.ZodType<number> {
  return z.string().transform((text, context) => {
    const match = pattern.exec(text.trim());
    const factor = match ? units[normalise(match[2] ?? '')] : undefined;
    if (!match || factor === undefined) {
      context.addIssue(`must be ${wanted}`);
      return z.NEVER;
    }
    return Math.round(Number(match[1]) * factor);
  });
}
