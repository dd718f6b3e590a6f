/** Escapes that Postgres' jsonb refuses: NUL, and surrogates, which may be unpaired. */
const SUSPECT = /\\u(?:0000|d[89a-f][0-9a-f]{2})/i;

/** The event's JSON as jsonb takes it: characters that it cannot hold become U+FFFD, everything else stays as it came. */
export function storableDocument(json: string): string {
  return json.includes('\\u') && SUSPECT.test(json) ? JSON.stringify(cleaned(JSON.parse(json))) : json;
}

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\ufffd').toWellFormed();
  if (Array.isArray(value)) return value.map(cleaned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [cleaned(name), cleaned(member)]));
}
