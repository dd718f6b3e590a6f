/** What a client says about itself and about the person it acts for, by the names of the event's JSON. Everything else is the platform's own, or a figure. */
export const CLIENT_FIELDS: readonly string[] = [
  'user',
  'sessionId',
  'metadata',
  'traceJson',
  'httpReferer',
  'appTitle',
  'appCategories',
  'userAgent',
  'requestId',
  'traceparent',
  'tracestate',
];

/** The event's JSON without them; fields that this program does not know stay. */
export function withoutPerson(json: string): string {
  const event = JSON.parse(json) as Record<string, unknown>;
  return JSON.stringify(Object.fromEntries(Object.entries(event).filter(([name]) => !CLIENT_FIELDS.includes(name))));
}
