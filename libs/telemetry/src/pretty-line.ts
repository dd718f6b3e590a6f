/** One JSON log line as one line for people: `12:00:01 warn  billing  Something happened  count=3`. */
export function prettyLine(json: string): string {
  const entry = parseEntry(json);
  if (entry === undefined) return json.trimEnd();
  const { time, level, msg, target, ...fields } = entry;
  const clock = typeof time === 'string' ? time.slice(11, 19) : '';
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${showField(value)}`);
  return [clock, String(level).padEnd(5), String(target ?? '').padEnd(9), String(msg), ...rest].join(' ').trimEnd();
}

function parseEntry(json: string): Record<string, unknown> | undefined {
  try {
    const entry: unknown = JSON.parse(json);
    return typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function showField(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value) {
    const { name, message, stack } = value as { name?: unknown; message: unknown; stack?: unknown };
    return `${String(name)}: ${String(message)}${typeof stack === 'string' ? `\n${stack}` : ''}`;
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}
