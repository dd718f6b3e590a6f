import { LOG_FIELD_NAMES, type LogFields } from './log-fields.js';

const ALLOWED: ReadonlySet<string> = new Set(LOG_FIELD_NAMES);
/** OpenTelemetry's names of what ties a line to a trace, which collectors look for. */
const STANDARD_NAMES: Readonly<Record<string, string>> = { traceId: 'trace_id', spanId: 'span_id' };
const TEXT_LENGTH_MAX = 2000;
const LIST_LENGTH_MAX = 50;
const CAUSE_DEPTH_MAX = 3;
/** Keys of ours and of providers, bearer tokens, and passwords inside URLs: a foreign library's error message may quote them. */
const SECRETS = /\b(?:sk|pk|gsk|xai|AIza|nvapi|fw)[-_][A-Za-z0-9_-]{8,}|\bAIza[A-Za-z0-9_-]{20,}|(?<=[Bb]earer\s)[^\s"',]+|(?<=:\/\/[^\s:/@]*:)[^\s@/]+(?=@)/g;

/** Only allowed names, only printable values, secrets blotted out. */
export function safeLogFields(fields: LogFields): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && ALLOWED.has(name)) safe[STANDARD_NAMES[name] ?? name] = printable(value, 0);
  }
  return safe;
}

export function withoutSecrets(text: string): string {
  const short = text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text;
  return short.replace(SECRETS, '<secret>');
}

function printable(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return withoutSecrets(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return printableError(value, depth);
  if (Array.isArray(value)) return value.slice(0, LIST_LENGTH_MAX).map((item) => (isPlain(item) ? printable(item, depth) : `<${typeof item}>`));
  return `<${typeof value}>`;
}

function printableError(error: Error, depth: number): Record<string, unknown> {
  const { code, type } = error as { code?: unknown; type?: unknown };
  return {
    name: error.name,
    message: withoutSecrets(error.message),
    ...(isPlain(code) ? { code: printable(code, depth) } : {}),
    ...(typeof type === 'string' ? { type } : {}),
    ...(error.stack === undefined ? {} : { stack: withoutSecrets(error.stack.slice(error.stack.indexOf('\n') + 1)) }),
    ...(error.cause instanceof Error && depth < CAUSE_DEPTH_MAX ? { cause: printableError(error.cause, depth + 1) } : {}),
  };
}

function isPlain(value: unknown): boolean {
  return ['string', 'number', 'boolean', 'bigint'].includes(typeof value);
}
