/**
 * Network errors of a server that is away, and what Postgres says while it starts, stops, has no connection, disk or memory left, is not the primary, gave up
 * a transaction of a process that stood still, or has a new password that has not reached us yet.
 */
const AWAY_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  '57P01',
  '57P02',
  '57P03',
  '25P03',
  '28P01',
  '53100',
  '53200',
  '53300',
  '25006',
]);
/** Postgres' class of connection exceptions. */
const CONNECTION_EXCEPTION = /^08[0-9A-Z]{3}$/;
/** The client says these without a code. */
const AWAY_MESSAGE = /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error)/;

/** Whether a call failed because what a service keeps its data in cannot be reached: nothing is wrong with the call, and a later one will do. */
export function isStorageAway(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isStorageAway);
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return AWAY_CODES.has(code) || CONNECTION_EXCEPTION.test(code);
  return AWAY_MESSAGE.test(error.message);
}
